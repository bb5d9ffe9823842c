/** `sluice config check [FILE]`: is this config right? */
import { parseArgs } from 'node:util'
import { type Config, createDirectory, loadConfig } from '@sluice/directory'
import { ConfigError, formatProblems } from '@sluice/runtime'
import { type Command, EXIT, UsageError } from '../command.ts'
import { formatRate, ruleRow } from '../shaping-text.ts'
import { formatTable } from '../table.ts'

/** Tables of what the config comes to. */
const merged = (config: Config): string => {
  const directory = createDirectory(config)
  const routes = config.routes.map(({ name, type, match, connections, rate, schedule, tls }) => [
    name,
    type,
    match.join(' '),
    connections,
    formatRate(rate),
    schedule.name,
    tls,
  ])
  const classes = ['default', 'notices', ...config.classes.map(({ name }) => name)].map((name) => [
    name,
    directory.shareOf(name === 'default' ? '' : name),
  ])
  const policies = config.policies.map(({ match, ...says }, i) => [`policies[${i}]`, plainly(match), plainly(says)])
  return [
    formatTable(['ROUTE', 'TYPE', 'MATCH', 'CONNECTIONS', 'RATE', 'SCHEDULE', 'TLS'], routes),
    formatTable(['CLASS', 'SHARE'], classes),
    policies.length === 0 ? 'no policies\n' : formatTable(['POLICY', 'MATCH', 'SAYS'], policies),
    formatTable(['REPLY RULE', 'MATCH', 'DOES'], config.replyRules.map(ruleRow)),
    '',
  ].join('\n')
}

const valueText = (value: unknown): string => {
  if (Array.isArray(value)) return value.join(' ')
  if (typeof value !== 'object' || value === null) return String(value)
  if ('perMs' in value) return formatRate(value as Parameters<typeof formatRate>[0])
  return 'name' in value ? String(value.name) : JSON.stringify(value)
}

/** `connections 5, tls required`; what says nothing is left out. */
const plainly = (values: object): string =>
  Object.entries(values)
    .flatMap(([key, value]) => (value === null ? [] : [`${key} ${valueText(value)}`]))
    .join(', ') || 'all'

export const configCheck: Command = {
  name: 'config check',
  summary: 'is this config right?',
  help: `Usage: sluice config check [FILE] [--show] [--json]

Reads a config, a file or a folder of files, as \`sluice up\` would, and prints every problem as FILE:LINE: KEY: what was
expected. Without FILE it is that of $SLUICE_CONFIG, as services in containers have it.
Values \${NAME} come from the environment. Secrets are read, and never printed.

  --show    print also what came of it: routes with what binds them, classes, policies, reply rules in the order in which they
            are asked, the shipped ones included. \`sluice config explain\` tells of one destination
  --json    print { "ok", "problems", "warnings" }

Exit codes: 0 right; 2 problems.
`,
  run: async (args, io) => {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { json: { type: 'boolean' }, show: { type: 'boolean' } },
    })
    const file = positionals[0] ?? io.env.SLUICE_CONFIG
    if (file === undefined || positionals.length > 1) throw new UsageError('expected one file')
    const print = (ok: boolean, problems: object[], warnings: string[], text: string): void =>
      values.json ? io.out(`${JSON.stringify({ ok, problems, warnings })}\n`) : ok ? io.out(text) : io.err(text)
    try {
      const config = await loadConfig(file, io.env)
      const { warnings } = config
      if (values.show && !values.json) io.out(merged(config))
      print(true, [], warnings, [...warnings.map((warning) => `warning: ${warning}\n`), `${file} is right\n`].join(''))
      return EXIT.ok
    } catch (fault) {
      if (!(fault instanceof ConfigError)) throw fault
      print(false, fault.problems, [], `${formatProblems(fault.problems)}\n`)
      return EXIT.usage
    }
  },
}
