/** The table of values in the chart's README.md, made from the schema. Pure. */
import type { z } from 'zod'
import { factsOf } from './facts.ts'
import { valuesSchema } from './schema.ts'

const START = '<!-- values: made by `npm run docs` -->'
const END = '<!-- end of values -->'

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

const code = (value: unknown): string => {
  const json = JSON.stringify(value)
  return json.length > 90 ? 'see values.yaml' : cell(`\`${json}\``)
}

type Row = { key: string; type: string; fallback: unknown; about: string }

const rowsOf = (keys: Record<string, z.ZodType>, defaults: Record<string, unknown>, path: string): Row[] =>
  Object.entries(keys).flatMap(([name, schema]): Row[] => {
    const { about, type, keys: below } = factsOf(schema)
    const key = path === '' ? name : `${path}.${name}`
    if (below === null) return [{ key, type, fallback: defaults[name], about }]
    return rowsOf(below, defaults[name] as Record<string, unknown>, key)
  })

const table = (rows: Row[]): string => {
  const lines = rows.map(
    ({ key, type, fallback, about }) => `| \`${key}\` | ${cell(type)} | ${code(fallback)} | ${cell(about)} |`,
  )
  return `| Key | Type | Default | Meaning |\n| --- | --- | --- | --- |\n${lines.join('\n')}\n`
}

const page = (): string => {
  const defaults: Record<string, unknown> = valuesSchema.parse({})
  const sections = Object.entries(valuesSchema.shape).map(([name, schema]) => ({ name, schema, ...factsOf(schema) }))
  const plain = sections.filter(({ keys }) => keys === null)
  const parts = sections.flatMap(({ name, about, keys }) =>
    keys === null ? [] : [`### ${name}\n\n${about}\n\n${table(rowsOf(keys, defaults[name] as Record<string, unknown>, name))}`],
  )
  const top = plain.map(({ name, type, about }) => ({ key: name, type, about, fallback: defaults[name] }))
  return `### Top level\n\n${table(top)}\n${parts.join('\n')}`
}

/** @param readme the page as it is; what stands between the marks is made anew */
export const renderReadme = (readme: string): string => {
  const [before, rest] = readme.split(START)
  const after = rest?.split(END)[1]
  if (before === undefined || after === undefined) throw new Error(`expected ${START} and ${END} in charts/sluice/README.md`)
  return `${before}${START}\n\n${page()}\n${END}${after}`
}
