/**
 * Writes what the chart has from elsewhere: values.yaml, values.schema.json and the table in README.md from the schema of its values,
 * and the keys that apply without a restart from the directory; with `--check` exits 1 when one of them differs.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LIVE_KEYS } from '@sluice/directory'
import { renderReadme } from './values/render-readme.ts'
import { renderSchema } from './values/render-schema.ts'
import { renderValues } from './values/render-values.ts'

const CHART = join(import.meta.dirname, 'sluice')
const check = process.argv.includes('--check')

const read = (file: string): Promise<string> => readFile(join(CHART, file), 'utf8').catch(() => '')

const readme = await read('README.md')
const liveKeys = `{{/* The keys of the config that apply while a service runs; a change of any other one restarts its pods. Made by \`npm run docs\`. */}}
{{- define "sluice.liveKeys" -}}
${JSON.stringify(LIVE_KEYS)}
{{- end -}}
`
const wanted = {
  'values.yaml': renderValues(),
  'values.schema.json': renderSchema(),
  'README.md': renderReadme(readme),
  'templates/_live-keys.tpl': liveKeys,
}

for (const [file, text] of Object.entries(wanted)) {
  if (!check) await writeFile(join(CHART, file), text)
  else if ((await read(file)) !== text) {
    console.error(`charts/sluice/${file} differs from what it is made of: run \`npm run docs\``)
    process.exitCode = 1
  }
}
