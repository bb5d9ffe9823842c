/** Writes docs/config.md from the schema; with `--check` exits 1 when the page and the schema differ. */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { renderReference } from './reference.ts'

const page = fileURLToPath(new URL('../../../docs/config.md', import.meta.url))
const wanted = renderReference()

if (process.argv.includes('--check')) {
  const there = await readFile(page, 'utf8').catch(() => '')
  if (there !== wanted) {
    console.error('docs/config.md differs from the schema: run `node packages/directory/src/generate-reference.ts`')
    process.exitCode = 1
  }
} else {
  await writeFile(page, wanted)
}
