/** `sluice trace ID`: a message's whole life. */
import { parseArgs } from 'node:util'
import type { Attempt, Mark } from '@sluice/contracts'
import type { History, Trace, TracedTask } from '@sluice/spool'
import { type Command, EXIT, UsageError } from '../command.ts'
import { formatDistance, formatTime } from '../table.ts'
import { SPOOL_HELP, SPOOL_OPTIONS, withSpool } from '../with-spool.ts'

const attemptLine = (attempt: Pick<Attempt, 'n' | 'at' | 'host' | 'reply'> & { stage: string }): string =>
  `  ${formatTime(attempt.at)}  attempt ${attempt.n}, ${attempt.host ?? 'no host'}, ${attempt.stage}: ${attempt.reply}`

const STATES: Record<TracedTask['state'], string> = {
  waiting: 'due, waits for a session',
  active: 'in hand of a delivery-agent',
  delayed: 'waits for its next attempt',
  parked: 'parked: set aside for you',
}

const saidBy = ({ who, why }: Mark): string => `${who === '' ? '' : ` by ${who}`}${why === '' ? '' : `: ${why}`}`

const deedLine = (mark: Mark): string =>
  `  ${formatTime(mark.at)}  ${mark.verb}${mark.to === undefined ? '' : ` to ${mark.to}`}${saidBy(mark)}`

const indented = (lines: readonly string[]): string[] => lines.map((line) => `    ${line}`)

const taskLines = (traced: TracedTask, now: number): string[] => {
  const { task } = traced
  const when =
    traced.nextAttemptAt === null ? '' : `, ${formatDistance(traced.nextAttemptAt, now)} (${formatTime(traced.nextAttemptAt)})`
  return [
    `${traced.destination}: ${STATES[traced.state]}${when}`,
    ...(task === null ? [] : [`  to ${task.to.map(({ address }) => address).join(', ')}`]),
    ...(traced.problem === null ? [] : [`  ${traced.problem}`]),
    ...(traced.marked === null ? [] : [`  marked: ${traced.marked.verb}${saidBy(traced.marked)}`]),
    ...(task?.attempts ?? []).map(attemptLine),
    ...traced.deeds.map(deedLine),
    ...(traced.transcript.length === 0 ? [] : ['  the last conversation:', ...indented(traced.transcript)]),
  ]
}

const historyLines = (history: History): string[] => [
  `${history.destination}: done ${formatTime(history.at)}`,
  ...history.recipients.map(({ address, kind, status, reason }) => `  ${address} ${kind} ${status}: ${reason}`),
  ...history.attempts.map(attemptLine),
  ...(history.by === undefined ? [] : [deedLine(history.by)]),
  ...(history.notice === undefined ? [] : [`  the sender was told: ${history.notice}`]),
  ...(history.transcript === undefined ? [] : ['  the last conversation:', ...indented(history.transcript)]),
]

const receptionLine = (trace: Trace): string => {
  const known = trace.history[0] ?? trace.tasks.find(({ task }) => task !== null)?.task ?? trace.intake
  if (known === null || known === undefined) return trace.id
  const from = known.client === undefined ? '' : ` by ${known.client}`
  return `${trace.id}: received ${formatTime(known.receivedAt)}${from}, from <${known.from}>, ${known.sizeBytes} bytes`
}

export const formatTrace = (trace: Trace, now: number): string =>
  `${[
    receptionLine(trace),
    ...(trace.intake === null ? [] : ['several destinations: on its way into their queues']),
    ...trace.tasks.flatMap((task) => taskLines(task, now)),
    ...trace.history.flatMap(historyLines),
  ].join('\n')}\n`

export const trace: Command = {
  name: 'trace',
  summary: "a message's whole life, by its ID",
  help: `Usage: sluice trace ID [options]

Tells where a message is, every attempt with the far end's words, the last conversation, and what became of it. The ID is the one
in "queued as ID", in the Received header and in the log. Messages that have left are told of for history.keep (24 h).

${SPOOL_HELP}

Exit codes: 0 found; 3 nothing is known of this ID; 1 Redis does not answer.
`,
  run: async (args, io) => {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: SPOOL_OPTIONS })
    const [id] = positionals
    if (id === undefined || positionals.length > 1) throw new UsageError('expected one ID')
    const found = await withSpool(values, io, (spool) => spool.trace(id))
    if (found === null) {
      io.err(`nothing is known of ${id}\n`)
      return EXIT.notFound
    }
    io.out(values.json ? `${JSON.stringify(found)}\n` : formatTrace(found, Date.now()))
    return EXIT.ok
  },
}
