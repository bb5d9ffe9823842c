/** `sluice retry`: make what waits for a later attempt due now. */
import { parseArgs } from 'node:util'
import { isMessageId } from '@sluice/contracts'
import { type Command, EXIT, UsageError } from '../command.ts'
import { noDestination } from '../no-destination.ts'
import type { OpenSpool } from '../with-spool.ts'
import { SPOOL_HELP, SPOOL_OPTIONS, withSpool } from '../with-spool.ts'

type Target = { destination: string; id?: string }

/** The tasks that a name means: those of a message, or all of a destination; or what is wrong with the name, in words. */
const targetsOf = async (spool: OpenSpool, name: string): Promise<Target[] | string> => {
  if (!isMessageId(name)) return (await noDestination(spool, name)) ?? [{ destination: name }]
  const found = await spool.trace(name)
  return found === null ? `nothing is known of ${name}` : found.tasks.map(({ destination }) => ({ destination, id: name }))
}

/** @returns how many tasks are due now, or what is wrong with the names; then nothing was done */
const retryAll = async (spool: OpenSpool, names: readonly string[]): Promise<number | string[]> => {
  const targets = await Promise.all(names.map((name) => targetsOf(spool, name)))
  const problems = targets.filter((each) => typeof each === 'string')
  if (problems.length > 0) return problems
  let count = 0
  for (const { destination, id } of targets.flatMap((each) => (typeof each === 'string' ? [] : each)))
    count += await spool.verbs.retry(destination, id)
  return count
}

const everyDestination = async ({ verbs }: OpenSpool): Promise<string[]> =>
  (await verbs.queue()).map(({ destination }) => destination)

export const retry: Command = {
  name: 'retry',
  summary: 'try again now: a message, a destination, or all',
  help: `Usage: sluice retry ID|DESTINATION... [options]
       sluice retry --all [options]

Makes messages that wait for a later attempt, and parked ones, due now, and ends the pause of a site that is left alone. The
attempt counts like any other.

  --all           every destination
${SPOOL_HELP}

Exit codes: 0 done; 1 Redis does not answer; 2 the command line is wrong; 3 there is no such message or destination, and nothing
was done.
`,
  run: async (args, io) => {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { ...SPOOL_OPTIONS, all: { type: 'boolean' } },
    })
    if ((positionals.length === 0) === (values.all !== true)) throw new UsageError('expected IDs or destinations, or --all')
    const done = await withSpool(values, io, async (spool) =>
      retryAll(spool, values.all === true ? await everyDestination(spool) : positionals),
    )
    if (typeof done !== 'number') {
      io.err(done.map((each) => `${each}\n`).join(''))
      return EXIT.notFound
    }
    io.out(values.json ? `${JSON.stringify({ due: done })}\n` : `${done} ${done === 1 ? 'message is' : 'messages are'} due now\n`)
    return EXIT.ok
  },
}
