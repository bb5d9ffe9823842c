/** `sluice spool script`: the scripts of the spool as texts, for delivery-agents that are written elsewhere. */
import { parseArgs } from 'node:util'
import { publishedScripts } from '@sluice/spool'
import { type Command, EXIT, UsageError } from '../command.ts'
import { formatTable } from '../table.ts'

export const spoolScript: Command = {
  name: 'spool script',
  summary: 'a script of the spool, as it is sent to Redis',
  help: `Usage: sluice spool script [NAME] [--json]

Prints the whole Lua text of one script, byte for byte what this version's services send to Redis: \`next\` and its like, composed with
BullMQ's commands, and the commands of BullMQ that a delivery-agent of your own needs. Without a name, lists them with the SHA1 that
EVALSHA takes and the number of their keys. See docs/delivery-agent-contract.md.

  --json   for programs: name, origin, keys, sha1, text

Exit codes: 0 done; 3 there is no such script.
`,
  run: async (args, io) => {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { json: { type: 'boolean' } } })
    const [name] = positionals
    if (positionals.length > 1) throw new UsageError('expected one name, or none')
    const scripts = publishedScripts()
    if (name === undefined) {
      const rows = scripts.map(({ name, origin, keys, sha1 }) => [name, origin, keys, sha1])
      io.out(values.json ? `${JSON.stringify(scripts)}\n` : formatTable(['SCRIPT', 'OF', 'KEYS', 'SHA1'], rows))
      return EXIT.ok
    }
    const found = scripts.find((script) => script.name === name)
    if (found === undefined) {
      io.err(`there is no script ${name}: ${scripts.map((script) => script.name).join(', ')}\n`)
      return EXIT.notFound
    }
    io.out(values.json ? `${JSON.stringify(found)}\n` : found.text)
    return EXIT.ok
  },
}
