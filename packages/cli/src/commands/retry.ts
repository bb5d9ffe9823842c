/** `sluice retry`: make what waits for a later attempt due now. */
import { parseArgs } from 'node:util'
import { isMessageId } from '@sluice/contracts'
import { type Command, EXIT, UsageError } from '../command.ts'
import type { OpenSpool } from '../with-spool.ts'
import { SPOOL_HELP, SPOOL_OPTIONS, withSpool } from '../with-spool.ts'

const retryMessage = async ({ trace, verbs }: OpenSpool, id: string): Promise<number | null> => {
  const found = await trace(id)
  if (found === null) return null
  let count = 0
  for (const { destination } of found.tasks) count += await verbs.retry(destination, id)
  return count
}

/** @returns how many tasks are due now, or null when an ID is not known */
const retryAll = async (spool: OpenSpool, names: readonly string[], all: boolean): Promise<number | null> => {
  const wanted = all ? (await spool.verbs.queue()).map(({ destination }) => destination) : names
  let count = 0
  for (const name of wanted) {
    const retried = isMessageId(name) ? await retryMessage(spool, name) : await spool.verbs.retry(name)
    if (retried === null) return null
    count += retried
  }
  return count
}

export const retry: Command = {
  name: 'retry',
  summary: 'try again now: a message, a destination, or all',
  help: `Usage: sluice retry ID|DESTINATION... [options]
       sluice retry --all [options]

Makes messages that wait for a later attempt, and parked ones, due now, and ends the pause of a site that is left alone. The
attempt counts like any other.

  --all           every destination
${SPOOL_HELP}

Exit codes: 0 done; 3 an ID is not known; 1 Redis does not answer.
`,
  run: async (args, io) => {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { ...SPOOL_OPTIONS, all: { type: 'boolean' } },
    })
    if ((positionals.length === 0) === (values.all !== true)) throw new UsageError('expected IDs or destinations, or --all')
    const count = await withSpool(values, io, (spool) => retryAll(spool, positionals, values.all === true))
    if (count === null) {
      io.err(`nothing is known of ${positionals.join(', ')}\n`)
      return EXIT.notFound
    }
    io.out(
      values.json ? `${JSON.stringify({ due: count })}\n` : `${count} ${count === 1 ? 'message is' : 'messages are'} due now\n`,
    )
    return EXIT.ok
  },
}
