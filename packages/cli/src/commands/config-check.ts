/** `sluice config check FILE`: is this config right? */
import { parseArgs } from 'node:util'
import { loadConfig } from '@sluice/directory'
import { ConfigError, formatProblems } from '@sluice/runtime'
import { type Command, EXIT, UsageError } from '../command.ts'

export const configCheck: Command = {
  name: 'config check',
  summary: 'is this config right?',
  help: `Usage: sluice config check FILE [--json]

Reads a config as \`sluice up\` would and prints every problem as FILE:LINE: KEY: what was expected.
Values \${NAME} come from the environment. Secrets are read, and never printed.

  --json    print { "ok", "problems", "warnings" }

Exit codes: 0 right; 2 problems.
`,
  run: async (args, io) => {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { json: { type: 'boolean' } } })
    const [file] = positionals
    if (file === undefined || positionals.length > 1) throw new UsageError('expected one file')
    const print = (ok: boolean, problems: object[], warnings: string[], text: string): void =>
      values.json ? io.out(`${JSON.stringify({ ok, problems, warnings })}\n`) : ok ? io.out(text) : io.err(text)
    try {
      const { warnings } = await loadConfig(file, io.env)
      print(true, [], warnings, [...warnings.map((warning) => `warning: ${warning}\n`), `${file} is right\n`].join(''))
      return EXIT.ok
    } catch (fault) {
      if (!(fault instanceof ConfigError)) throw fault
      print(false, fault.problems, [], `${formatProblems(fault.problems)}\n`)
      return EXIT.usage
    }
  },
}
