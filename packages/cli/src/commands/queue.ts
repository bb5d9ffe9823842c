/** `sluice queue`: what waits, where, and why. */
import { parseArgs } from 'node:util'
import { type DestinationState, SHAPE_AGES_MS, SHAPE_KEYS, type ShapeKey, type ShapeRow, TASK_STATES } from '@sluice/spool'
import { type Command, EXIT, type ExitCode, type Io, UsageError } from '../command.ts'
import { formatDistance, formatSpan, formatTable } from '../table.ts'
import { countOf, createProgress } from '../verbs/progress.ts'
import { type Asked, parseQuery, QUERY_HELP, QUERY_OPTIONS } from '../verbs/query.ts'
import { type OpenSpool, SPOOL_HELP, SPOOL_OPTIONS, withSpool } from '../with-spool.ts'

/** `curbed for 9 min to 2 connections, 30 messages a minute: rule NAME: 421 …` */
const curbed = ({ until, connections, intervalUs, reason }: NonNullable<DestinationState['curb']>, now: number): string => {
  const limits = [
    ...(connections === null ? [] : [`${connections} ${connections === 1 ? 'connection' : 'connections'}`]),
    ...(intervalUs === null ? [] : [`${Math.max(1, Math.round(60_000_000 / intervalUs))} messages a minute`]),
  ]
  return `curbed for ${formatSpan(until - now)} to ${limits.join(', ')}: ${reason}`
}

const stateOf = (each: DestinationState, now: number): string => {
  if (each.held)
    return each.heldBy === null || each.heldBy.who === ''
      ? 'held'
      : `held by ${each.heldBy.who}${each.heldBy.why === '' ? '' : `: ${each.heldBy.why}`}`
  if (each.paused !== null)
    return `paused ${each.paused.until > FOR_EVER ? '' : `for ${formatSpan(each.paused.until - now)}, `}${each.paused.reason}`
  if (each.backoff !== null) return `left alone for ${formatSpan(each.backoff.until - now)}: ${each.backoff.reason}`
  if (each.curb !== null && each.waiting + each.active > 0) return curbed(each.curb, now)
  if (each.waiting + each.active > 0) return each.sessions > 0 ? 'being delivered' : 'waiting for a session'
  if (each.nextAttemptAt !== null) return `next attempt ${formatDistance(each.nextAttemptAt, now)}`
  return each.parked > 0 ? 'parked' : ''
}

const messages = (count: number): string => `${count} ${count === 1 ? 'message' : 'messages'}`

const HEAD = ['DESTINATION', 'DUE', 'IN HAND', 'LATER', 'PARKED', 'SESSIONS', 'STATE']

/** The end of the calendar: until `sluice resume`. */
const FOR_EVER = Date.UTC(9998, 0)

const AGE_TITLES = [...SHAPE_AGES_MS.map((ms) => `${ms / 60_000}`), `${(SHAPE_AGES_MS.at(-1) ?? 0) / 60_000}+`]

const shapeTable = (by: ShapeKey, rows: ShapeRow[]): string => {
  const sum = (at: (row: ShapeRow) => number): number => rows.reduce((all, row) => all + at(row), 0)
  const total: (string | number)[] = [
    'TOTAL',
    sum((row) => row.count),
    ...AGE_TITLES.map((_, i) => sum((row) => row.ages[i] ?? 0)),
  ]
  if (by === 'age')
    return formatTable(
      ['MINUTES', 'T'],
      [['TOTAL', total[1] ?? 0], ...rows.map(({ key, count }) => [AGE_TITLES[Number(key)] ?? key, count])],
    )
  return formatTable(
    [by.toUpperCase(), 'T', ...AGE_TITLES],
    [total, ...rows.map(({ key, count, ages }) => [key, count, ...ages])],
  )
}

const showShape = async (spool: OpenSpool, by: ShapeKey, asked: Asked, json: boolean, io: Io): Promise<ExitCode> => {
  const progress = createProgress(io)
  const rows: ShapeRow[] = []
  for (const query of asked.queries.length === 0 ? [{}] : asked.queries) {
    const found = await spool.shape(by, query, (count) => progress(() => `counted ${countOf(count, 'message')}`))
    for (const row of found) rows.push(row)
  }
  if (json) io.out(`${JSON.stringify({ by, minutes: SHAPE_AGES_MS.map((ms) => ms / 60_000), rows })}\n`)
  else io.out(rows.length === 0 ? 'no message fits\n' : shapeTable(by, rows))
  return EXIT.ok
}

const showCounts = async ({ verbs }: OpenSpool, asked: Asked, json: boolean, io: Io): Promise<ExitCode> => {
  const all = await verbs.queue()
  const states =
    asked.queries.length === 0
      ? all
      : all.filter(({ destination }) => asked.queries.some((query) => query.destination?.(destination)))
  const intake = await verbs.intake()
  if (json) {
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
}

const isShapeKey = (text: string): text is ShapeKey => SHAPE_KEYS.some((key) => key === text)

export const queue: Command = {
  name: 'queue',
  summary: 'what waits, where, and why',
  help: `Usage: sluice queue [DESTINATION...] [options]
       sluice queue --by destination|site|sender|age|class|state [QUERY] [options]

Lists every destination that holds mail: messages that are due, in hand of a delivery-agent, waiting for a later attempt, and
parked for you; its open sessions; and what it waits for. That costs little, however much waits.

With --by, or a query, counts messages by their age in minutes, as Postfix's qshape does: T is all, 5 those received within the last
5 minutes, 10 those up to 10, and so on. Each message is looked at, some hundred at a time, so that mail flows meanwhile.

  --by WHAT           the rows; destination without it
${QUERY_HELP}

${SPOOL_HELP}

Exit codes: 0 done; 1 Redis does not answer; 2 the command line is wrong.
`,
  run: async (args, io) => {
    const options = { ...SPOOL_OPTIONS, ...QUERY_OPTIONS, by: { type: 'string' } } as const
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options })
    const by = values.by ?? 'destination'
    if (!isShapeKey(by)) throw new UsageError(`expected one of ${SHAPE_KEYS.join(', ')} behind --by, not ${by}`)
    const asked = parseQuery(values, positionals, TASK_STATES, Date.now())
    const counts = values.by === undefined && (asked.queries.length === 0 || asked.isAboutDestinations)
    return withSpool(values, io, (spool) =>
      counts ? showCounts(spool, asked, values.json === true, io) : showShape(spool, by, asked, values.json === true, io),
    )
  },
}
