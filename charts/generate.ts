/**
 * Writes values.yaml, values.schema.json and the table in README.md of the chart from the schema of its values; with `--check`
 * exits 1 when one of them differs.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { renderReadme } from './values/render-readme.ts'
import { renderSchema } from './values/render-schema.ts'
import { renderValues } from './values/render-values.ts'

const CHART = join(import.meta.dirname, 'sluice')
const check = process.argv.includes('--check')

const read = (file: string): Promise<string> => readFile(join(CHART, file), 'utf8').catch(() => '')

const readme = await read('README.md')
const wanted = { 'values.yaml': renderValues(), 'values.schema.json': renderSchema(), 'README.md': renderReadme(readme) }

for (const [file, text] of Object.entries(wanted)) {
  if (!check) await writeFile(join(CHART, file), text)
  else if ((await read(file)) !== text) {
    console.error(`charts/sluice/${file} differs from the schema of the values: run \`npm run docs\``)
    process.exitCode = 1
  }
}
