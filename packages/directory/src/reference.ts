/** The reference page docs/config.md, made from the schema: nothing in it is written twice. Pure. */
import type { z } from 'zod'
import { configSchema } from './schema.ts'

type Def = {
  type: string
  in?: z.ZodType
  innerType?: z.ZodType
  element?: z.ZodType
  valueType?: z.ZodType
  options?: z.ZodType[]
  shape?: Record<string, z.ZodType>
  entries?: Record<string, string>
  defaultValue?: unknown
}
type Facts = { description: string; type: string | null; example: string | null; fallback: unknown; core: Def }

const defOf = (schema: z.ZodType): Def => schema.def as unknown as Def

/** Looks through defaults, nullability and transformations to the shape that is written, collecting what they say. */
const factsOf = (schema: z.ZodType): Facts => {
  const def = defOf(schema)
  const own = (schema.meta() ?? {}) as { description?: string; type?: string; example?: string }
  const inner = def.type === 'pipe' ? def.in : def.innerType
  const below = inner === undefined ? null : factsOf(inner)
  return {
    description: own.description ?? below?.description ?? '',
    type: own.type ?? below?.type ?? null,
    example: own.example ?? below?.example ?? null,
    fallback: def.type === 'default' || def.type === 'prefault' ? def.defaultValue : below?.fallback,
    core: below?.core ?? def,
  }
}

const WORDS: Record<string, string> = {
  string: 'text',
  number: 'number',
  int: 'number',
  boolean: 'true or false',
  record: 'names and values',
}

const typeOf = ({ type, core }: Facts): string => {
  if (type !== null) return type
  if (core.type === 'enum')
    return Object.keys(core.entries ?? {})
      .map((one) => `\`${one}\``)
      .join(', ')
  if (core.type === 'array' && core.element !== undefined) return `list of ${typeOf(factsOf(core.element))}`
  if (core.type === 'union') return (core.options ?? []).map((one) => typeOf(factsOf(one))).join(' or ')
  return core.type === 'object' ? 'section' : (WORDS[core.type] ?? core.type)
}

const isEmpty = (value: unknown): boolean =>
  value === null || (typeof value === 'object' && Object.keys(value as object).length === 0)

const fallbackOf = ({ fallback, core }: Facts): string => {
  if (fallback === undefined) return '**required**'
  if (core.type === 'object' && !isEmpty(fallback)) return 'see below'
  return isEmpty(fallback)
    ? core.type === 'object'
      ? 'its own defaults'
      : 'none'
    : `\`${String(fallback) === '' ? '""' : String(fallback)}\``
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

const rowOf = (key: string, facts: Facts): string => {
  const example = facts.example === null || facts.example.includes('\n') ? '' : ` Example: \`${facts.example}\`.`
  const fallback = fallbackOf(facts) === 'its own defaults' && facts.fallback === null ? 'none' : fallbackOf(facts)
  return `| \`${key}\` | ${cell(typeOf(facts))} | ${cell(fallback)} | ${cell(facts.description + example)} |`
}

/** Keys of a section, those of sections inside it as `tls.certFile`. */
const rowsOf = (shape: Record<string, z.ZodType>, prefix = ''): string[] =>
  Object.entries(shape).flatMap(([key, schema]) => {
    const facts = factsOf(schema)
    const host = facts.core.type === 'array' ? objectIn(facts.core.element) : undefined
    const inner = facts.core.shape ?? host
    const below = inner === undefined ? [] : rowsOf(inner, `${prefix}${key}${host === undefined ? '' : '[]'}.`)
    return [rowOf(prefix + key, facts), ...below]
  })

/** The keys of the objects in a list or table, also where a plain text may stand in their place. */
const objectIn = (schema: z.ZodType | undefined): Record<string, z.ZodType> | undefined => {
  if (schema === undefined) return undefined
  const { core } = factsOf(schema)
  return core.shape ?? core.options?.map((one) => factsOf(one).core.shape).find((shape) => shape !== undefined)
}

const table = (rows: string[]): string => ['| Key | Type | Default | Meaning |', '| --- | --- | --- | --- |', ...rows].join('\n')

const yamlValue = (value: unknown): string =>
  typeof value === 'string' && /^$|[:#[\]{}*]/.test(value) ? JSON.stringify(value) : String(value)

/** A section with all its defaults, to copy from. */
const exampleOf = (key: string, facts: Facts): string => {
  if (facts.example !== null) return facts.example
  const lines = (shape: Record<string, z.ZodType>, indent: string): string[] =>
    Object.entries(shape).flatMap(([name, schema]) => {
      const inner = factsOf(schema)
      if (inner.core.shape !== undefined) return [`${indent}${name}:`, ...lines(inner.core.shape, `${indent}  `)]
      const value = isEmpty(inner.fallback) ? inner.example : yamlValue(inner.fallback)
      return value === null ? [] : [`${indent}${name}: ${value}`]
    })
  return `${[`${key}:`, ...lines(facts.core.shape ?? {}, '  ')].join('\n')}\n`
}

export type Section = { key: string; description: string; rows: string[]; example: string }

/** The sections and, apart, the keys that stand alone. */
export const sectionsOf = (): { sections: Section[]; single: string[] } => {
  const shape = factsOf(configSchema).core.shape ?? {}
  const sections: Section[] = []
  const single: string[] = []
  for (const [key, schema] of Object.entries(shape)) {
    const facts = factsOf(schema)
    const inner = facts.core.shape ?? objectIn(facts.core.element) ?? objectIn(facts.core.valueType)
    if (inner === undefined) single.push(rowOf(key, facts))
    else sections.push({ key, description: facts.description, rows: rowsOf(inner), example: exampleOf(key, facts) })
  }
  return { sections, single }
}

const SHAPES: Record<string, string> = {
  listeners: 'A list. Each entry:',
  domains: 'A list. Each entry:',
  accounts: 'A list. Each entry:',
  routes: 'A list. Each entry:',
  schedules: 'A table from names to schedules. Each has:',
}

const INTRO = `# The configuration

<!-- Made from the schema by packages/directory/src/generate-reference.ts; edit the texts there. -->

One YAML file holds everything: \`bin/sluice up --config FILE\`. It may also be a folder: its \`*.yaml\` and \`*.yml\` (hidden ones and
subfolders left out) are one config together, in the order of their names. Lists at the top (\`routes\`, \`policies\`, \`domains\`) follow one
another, sections are joined, and a value that stands in two files is an error. Every key has its place here; an unknown one is an error, and
an error names file, line, key and what was expected. \`bin/sluice config check FILE\` looks without starting anything.
The files in [examples](../examples) are whole configs to begin with.

## How values are written

| Kind | Written | Notes |
| --- | --- | --- |
| duration | \`200ms\`, \`30s\`, \`5m\`, \`2h\`, \`1d\` | always with a unit |
| size | \`50KiB\`, \`25MiB\`, \`1GB\`, \`2048\` | KiB, MiB, GiB count by 1024; KB, MB, GB by 1000; a plain number is bytes |
| rate | \`5/s\`, \`100/min\`, \`1000/h\` | spread evenly over the period |
| percentage | \`80%\` | |
| address | \`127.0.0.1:25\`, \`[::1]:25\`, \`25\` | a port alone means all addresses, IPv4 and IPv6; put \`[…]\` into quotes |
| network | \`10.0.0.0/8\`, \`2001:db8::/32\` | an address alone is a network of one |
| file | \`tls.crt\`, \`/etc/sluice/tls.crt\` | relative ones are looked for beside the config file |
| folder | \`./content\`, \`/var/lib/sluice\` | relative ones lie in the data directory |

**From the environment:** \`\${NAME}\` takes a variable, which must be set; \`\${NAME:-default}\` has a default; \`$\${\` is a literal
\`\${\`. This works in values, quoted or not, not in keys. An entry of a list that comes out empty is left out.

**Secrets** come from files, so that the config itself can be shown: \`passwordFile\` names one that holds the secret and
nothing else; a line break at its end is ignored.
`

const SCHEDULES = `
\`classic\`, the default, tries at once and then 2, 4, 6, 8 and 10 hours after the first attempt; then the sender gets a failure
notice. Choose it when people wait for the mail and want to know the same day. \`internet\` tries again after 5, 10, 20 and 40
minutes, 1, 2 and 4 hours, then every 6 hours, for 5 days. Choose it for mail to strangers' servers, which may greylist or be
away for a weekend. Pauses add up from the first attempt. When an attempt came late, after a hold or a pause of the
spooler, the next one keeps at least half its pause.
`

/** The whole page. */
export const renderReference = (): string => {
  const { sections, single } = sectionsOf()
  const body = sections.map(({ key, description, rows, example }) => {
    const extra = key === 'schedules' ? `${SCHEDULES}\n` : ''
    const kind = SHAPES[key] === undefined ? '' : `${SHAPES[key]}\n\n`
    return `## ${key}\n\n${description}\n${extra}\n${kind}${table(rows)}\n\n\`\`\`yaml\n${example}\`\`\`\n`
  })
  return [INTRO, '## Keys of the top level', '', table(single), '', ...body].join('\n')
}
