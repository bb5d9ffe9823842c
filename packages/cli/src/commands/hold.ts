/** `sluice hold` and `sluice release`: a destination's mail waits until you say so. */
import { parseArgs } from 'node:util'
import { type Command, EXIT, UsageError } from '../command.ts'
import { asDestination, noDestination } from '../no-destination.ts'
import { SPOOL_HELP, SPOOL_OPTIONS, withSpool } from '../with-spool.ts'

const verb = (name: 'hold' | 'release', summary: string, text: string): Command => ({
  name,
  summary,
  help: `Usage: sluice ${name} DESTINATION... [options]

${text}
A destination is a name from \`sluice queue\`: a route, or the domain of an MX route.

${SPOOL_HELP}

Exit codes: 0 done; 1 Redis does not answer; 2 no destination was named; 3 there is no such destination, and nothing was done.
`,
  run: async (args, io) => {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: SPOOL_OPTIONS })
    if (positionals.length === 0) throw new UsageError('expected a destination')
    const names = positionals.map(asDestination)
    const problems = await withSpool(values, io, async (spool) => {
      const found = (await Promise.all(names.map((each) => noDestination(spool, each)))).filter((each) => each !== null)
      if (found.length === 0) for (const destination of names) await spool.verbs[name](destination)
      return found
    })
    if (problems.length > 0) {
      io.err(problems.map((each) => `${each}\n`).join(''))
      return EXIT.notFound
    }
    const done = name === 'hold' ? 'held' : 'released'
    io.out(
      values.json ? `${JSON.stringify({ [done]: positionals })}\n` : positionals.map((each) => `${each}: ${done}\n`).join(''),
    )
    return EXIT.ok
  },
})

export const hold = verb(
  'hold',
  'stop delivery to a destination; its mail is kept',
  'Mail to these destinations is still taken and kept, and none is delivered until `sluice release`. What is in hand is finished.',
)
export const release = verb('release', 'deliver to a held destination again', 'Ends a hold: what is due is delivered at once.')
