/** values.yaml, made from the schema: every key with its default, and what it is for above it. Pure. */
import { stringify } from 'yaml'
import type { z } from 'zod'
import { factsOf } from './facts.ts'
import { valuesSchema } from './schema.ts'

const HEAD = `# The values of the chart: every key with its default. README.md has them as a table.
# Made from charts/values by \`npm run docs\`: edit the texts and defaults there.
`
const WIDTH = 110

const comment = (text: string, indent: string): string => {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last === undefined || indent.length + last.length + word.length + 3 > WIDTH) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines.map((line) => `${indent}# ${line}\n`).join('')
}

const isSimple = (value: unknown): boolean =>
  value === null || typeof value !== 'object' || Object.keys(value).length === 0 || JSON.stringify(value).length < 60

const valueText = (name: string, value: unknown, indent: string): string => {
  // Helm reads YAML 1.1, in which `off` is false.
  const options = { lineWidth: 0, version: '1.1' } as const
  if (isSimple(value)) return `${indent}${name}: ${stringify(value, { ...options, collectionStyle: 'flow' }).trimEnd()}\n`
  const lines = stringify(value, options).trimEnd().split('\n')
  return `${indent}${name}:\n${lines.map((line) => `${indent}  ${line}\n`).join('')}`
}

/** Texts that stood above already, in another section, are not said again. */
const render = (keys: Record<string, z.ZodType>, defaults: Record<string, unknown>, indent: string, said: Set<string>): string =>
  Object.entries(keys)
    .map(([name, schema]) => {
      const { about, keys: below } = factsOf(schema)
      const once = `${name}: ${about}`
      const words = said.has(once) ? '' : comment(about, indent)
      said.add(once)
      const gap = indent === '' ? '\n' : ''
      return below === null
        ? `${gap}${words}${valueText(name, defaults[name], indent)}`
        : `${gap}${words}${indent}${name}:\n${render(below, defaults[name] as Record<string, unknown>, `${indent}  `, said)}`
    })
    .join('')

export const renderValues = (): string => `${HEAD}${render(valuesSchema.shape, valuesSchema.parse({}), '', new Set())}`
