/** Writes docs/metrics.md from what the services declare; with `--check` exits 1 when the page and the code differ. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { declaredFigures } from './declared.ts'
import { renderPage } from './page.ts'

const page = join(import.meta.dirname, '..', '..', 'docs', 'metrics.md')
const wanted = renderPage(await declaredFigures())

if (process.argv.includes('--check')) {
  if ((await readFile(page, 'utf8').catch(() => '')) !== wanted) {
    console.error('docs/metrics.md differs from the code: run `npm run docs`')
    process.exitCode = 1
  }
} else {
  await writeFile(page, wanted)
}
