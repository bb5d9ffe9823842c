/** `sluice audit`: who did what to the mail, and why. */
import { parseArgs } from 'node:util'
import { type Command, EXIT, UsageError } from '../command.ts'
import { formatTable, formatTime } from '../table.ts'
import { SPOOL_HELP, SPOOL_OPTIONS, withSpool } from '../with-spool.ts'

const USUAL = 50

export const audit: Command = {
  name: 'audit',
  summary: 'who did what to the mail, and why',
  help: `Usage: sluice audit [options]

Lists the commands that changed anything, the latest first: when, who, what, of which mail, how many it came to, and why. The latest
10,000 notes are kept, two for each command. One without a number was broken off, or is under way.

  --limit N       ${USUAL} without it
${SPOOL_HELP}

Exit codes: 0 done; 1 Redis does not answer.
`,
  run: async (args, io) => {
    const { values } = parseArgs({ args, options: { ...SPOOL_OPTIONS, limit: { type: 'string' } } })
    const limit = Number(values.limit ?? USUAL)
    if (!Number.isInteger(limit) || limit < 1) throw new UsageError(`expected a number behind --limit, not ${values.limit}`)
    const entries = await withSpool(values, io, ({ audit }) => audit.entries(limit))
    const rows = entries.map(({ at, who, verb, query, count, why }) => [formatTime(at), who, verb, query, count ?? '', why])
    if (values.json) io.out(`${JSON.stringify({ entries })}\n`)
    else io.out(rows.length === 0 ? 'nothing was done\n' : formatTable(['WHEN', 'WHO', 'WHAT', 'OF', 'COUNT', 'WHY'], rows))
    return EXIT.ok
  },
}
