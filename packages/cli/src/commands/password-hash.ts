/** `sluice password hash`: the scrypt hash of a password, for `passwordHash` of an account. */
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { hashPassword } from '@sluice/directory'
import { type Command, EXIT, UsageError } from '../command.ts'

export const passwordHash: Command = {
  name: 'password hash',
  summary: 'the hash of a password, for the config',
  help: `Usage: sluice password hash [--json] < FILE

Reads a password from standard input, up to its end, without the last line break, and prints its scrypt hash, $scrypt$…: what
\`passwordHash\` of an account takes, and a \`passwordFile\` too. The same password has another hash each time.

  --json    print { "hash" }

Exit codes: 0 printed; 2 standard input was empty.
`,
  run: async (args, io) => {
    const { values } = parseArgs({ args, options: { json: { type: 'boolean' } } })
    if (process.stdin.isTTY) io.err('Type the password, Enter, and Ctrl-D. It is shown as you type.\n')
    const password = (await text(process.stdin)).replace(/\r?\n$/, '')
    if (password === '') throw new UsageError('expected a password on standard input')
    const hash = await hashPassword(password)
    io.out(values.json ? `${JSON.stringify({ hash })}\n` : `${hash}\n`)
    return EXIT.ok
  },
}
