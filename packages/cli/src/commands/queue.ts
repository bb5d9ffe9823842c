/** `sluice queue`: what waits, where, and why. */
import { parseArgs } from 'node:util'
import type { DestinationState } from '@sluice/spool'
import { type Command, EXIT } from '../command.ts'
import { formatDistance, formatSpan, formatTable } from '../table.ts'
import { SPOOL_HELP, SPOOL_OPTIONS, withSpool } from '../with-spool.ts'

const stateOf = (each: DestinationState, now: number): string => {
  if (each.held) return 'held'
  if (each.backoff !== null) return `left alone for ${formatSpan(each.backoff.until - now)}: ${each.backoff.reason}`
  if (each.waiting + each.active > 0) return each.sessions > 0 ? 'being delivered' : 'waiting for a session'
  if (each.nextAttemptAt !== null) return `next attempt ${formatDistance(each.nextAttemptAt, now)}`
  return each.parked > 0 ? 'parked' : ''
}

const messages = (count: number): string => `${count} ${count === 1 ? 'message' : 'messages'}`

const HEAD = ['DESTINATION', 'DUE', 'IN HAND', 'LATER', 'PARKED', 'SESSIONS', 'STATE']

export const queue: Command = {
  name: 'queue',
  summary: 'what waits, where, and why',
  help: `Usage: sluice queue [options]

Lists every destination that holds mail: messages that are due, in hand of a delivery-agent, waiting for a later attempt, and
parked for you; its open sessions; and what it waits for.

${SPOOL_HELP}

Exit codes: 0 done; 1 Redis does not answer.
`,
  run: async (args, io) => {
    const { values } = parseArgs({ args, options: SPOOL_OPTIONS })
    const [states, intake] = await withSpool(
      values,
      io,
      async ({ verbs }) => [await verbs.queue(), await verbs.intake()] as const,
    )
    if (values.json) {
      io.out(`${JSON.stringify({ destinations: states, intake })}\n`)
      return EXIT.ok
    }
    const now = Date.now()
    const rows = states.map((each) => [
      each.destination,
      each.waiting,
      each.active,
      each.delayed,
      each.parked,
      each.sessions,
      stateOf(each, now),
    ])
    if (states.length + intake.waiting + intake.parked === 0) io.out('The queue is empty.\n')
    if (states.length > 0) io.out(formatTable(HEAD, rows))
    if (intake.waiting > 0) io.out(`${messages(intake.waiting)} with several destinations on the way into their queues\n`)
    if (intake.parked > 0) io.out(`${messages(intake.parked)} with several destinations parked: not understood\n`)
    return EXIT.ok
  },
}
