/**
 * What one attempt means for its task: which recipients are done, what the sender is told, and when the rest is tried again.
 * Pure but for the notices, which are admitted before the settlement that this returns is made.
 */
import type { Attempt, DeliveryReport, Outcome, Recipient, Task } from '@sluice/contracts'
import { type Config, OTHER_SITES, scheduleSpanMs } from '@sluice/directory'
import type { Log } from '@sluice/runtime'
import { expire, replyText } from '@sluice/smtp'
import { type History, packTranscript, type Settlement } from '@sluice/spool'
import type { Span } from '@sluice/tracing'
import type { TellSender } from './notices.ts'
import { planNext } from './plan-next.ts'
import type { AgentMetrics } from './session-metrics.ts'
import type { ShapedRoute } from './shaped-route.ts'

export type Attempted = {
  task: Task
  destination: string
  route: ShapedRoute | null
  /** Attempts counted, this one included. */
  attempts: number
  /** ms since the epoch: when this attempt began */
  startedAt: number
  report: DeliveryReport
  content: () => AsyncIterable<Buffer>
  /** null: not traced */
  span: Span | null
  /** The schedule is over, whatever it says: the task outlived it while its site was left alone. */
  expired: boolean
}

export type ConcludeDependencies = {
  config: Pick<Config, 'schedule' | 'delayNoticeMs' | 'delivery'>
  tellSender: TellSender
  log: Log
  metrics: AgentMetrics
  now: () => number
  random: () => number
}

const MOST_ATTEMPT_LINES = 100
/** Characters of the last conversation that the history keeps; its end is what tells why. */
const MOST_TRANSCRIPT = 16 * 1024
const NOT_KNOWN = 'whether the far end took it is not known (delivery.unknownOutcome: hold)'
const EVENT = { delivered: 'delivery', deferred: 'deferral', bounced: 'bounce' } as const

const words = (outcome: Outcome): string =>
  outcome.kind === 'delivered' ? (outcome.reply === null ? 'delivered' : replyText(outcome.reply)) : outcome.reason

/** The attempt's line: why there is another one, else the first bad news, or the far end's thanks. */
const summary = (outcomes: readonly Outcome[]): string => {
  const first = (kind: Outcome['kind']): Outcome | undefined => outcomes.find((outcome) => outcome.kind === kind)
  const telling = first('deferred') ?? first('bounced') ?? outcomes[0]
  return telling === undefined ? '' : words(telling).slice(0, 1000)
}

const endOf = (lines: readonly string[]): string[] => {
  let left = MOST_TRANSCRIPT
  const from = lines.findLastIndex((line) => {
    left -= line.length
    return left < 0
  })
  return lines.slice(from + 1)
}

type Result = { recipient: Recipient; outcome: Outcome }

const pairs = (task: Task, outcomes: readonly Outcome[]): Result[] =>
  task.to.flatMap((recipient, i) => {
    const outcome = outcomes[i]
    return outcome === undefined ? [] : [{ recipient, outcome }]
  })

const historyOf = (attempted: Attempted, attempts: Attempt[], results: Result[], told: string[], now: number): string => {
  const { task, destination, report } = attempted
  const bad = results.some(({ outcome }) => outcome.kind !== 'delivered')
  const history: History = {
    at: now,
    destination,
    from: task.from,
    receivedAt: task.receivedAt,
    sizeBytes: task.sizeBytes,
    ...(task.client === undefined ? {} : { client: task.client }),
    attempts,
    recipients: results.map(({ recipient, outcome }) => ({
      address: recipient.address,
      kind: outcome.kind,
      status: outcome.status,
      reason: words(outcome),
    })),
    ...(told.length === 0 ? {} : { notice: told.join(', ') }),
    ...(bad ? { transcript: endOf(report.transcript) } : {}),
  }
  return JSON.stringify(history)
}

export const createConclude = ({ config, tellSender, log, metrics, now, random }: ConcludeDependencies) => {
  const tell = (attempted: Attempted, results: Result[], nextAt: number | null): void => {
    const { task, destination, report, span } = attempted
    const siteClass = attempted.route?.siteClass ?? OTHER_SITES
    const ageMs = now() - task.receivedAt
    if (results.some(({ outcome }) => outcome.kind === 'delivered')) metrics.delivered(siteClass, task.sizeBytes, ageMs / 1000)
    for (const { recipient, outcome } of results) {
      const event = outcome.kind === 'bounced' && outcome.status === '4.4.7' ? 'expiry' : EVENT[outcome.kind]
      metrics.outcome(event, report.stage, siteClass, outcome.status)
      const fields = {
        id: task.id,
        destination,
        host: report.host,
        to: recipient.address,
        status: outcome.status,
        reply: words(outcome),
        attempt: attempted.attempts,
        ...(outcome.kind === 'deferred' && nextAt !== null ? { nextAttemptAt: new Date(nextAt).toISOString() } : {}),
        ...(report.tls === undefined ? {} : { tls: report.tls }),
        ageMs,
      }
      log.event(event, fields, span?.ids)
    }
  }

  return async (attempted: Attempted): Promise<Settlement[]> => {
    const { task, route, report, attempts: n, startedAt, span } = attempted
    const schedule = route?.schedule ?? config.schedule
    const firstAt = task.attempts[0]?.at ?? startedAt
    const { outcomes } = report
    const given = { schedule, before: task.attempts, attempts: n, firstAt, now: now(), random, outcomes }
    const { at: nextAt, early } = attempted.expired ? { at: null, early: false } : planNext(given)
    const line: Attempt = {
      n,
      at: startedAt,
      host: report.host,
      stage: report.stage,
      reply: summary(outcomes),
      ...(early ? { early } : {}),
    }
    const lines = [...task.attempts, line].slice(-MOST_ATTEMPT_LINES)
    const isUnknown = outcomes.some((outcome) => outcome.kind === 'deferred' && outcome.unknown)
    const isHeld = isUnknown && config.delivery.unknownOutcome === 'hold'
    const results = pairs(task, outcomes).map(({ recipient, outcome }) => ({
      recipient,
      // Who may have the mail is told nothing before somebody has looked.
      outcome: outcome.kind === 'deferred' && nextAt === null && !(isHeld && outcome.unknown) ? expire(outcome) : outcome,
    }))
    const waiting = results.filter(({ outcome }) => outcome.kind === 'deferred')
    tell(attempted, results, nextAt)
    if (isUnknown) {
      metrics.event('outcome-unknown')
      const fields = { id: task.id, destination: attempted.destination, attempt: n, held: isHeld }
      log.event('outcome-unknown', fields, span?.ids)
    }

    const delayDue = task.delayNotified !== true && now() - task.receivedAt >= config.delayNoticeMs
    const told = await tellSender({
      task,
      results: results.map((result) => ({ ...result, host: report.host, lastAttemptAt: startedAt })),
      transcript: report.transcript,
      content: attempted.content,
      // Our own mailbox offers DSN to learn ORCPT; the report of a final delivery is ours to make.
      dsnPassed: report.dsnPassed && route?.type !== 'local',
      delayDue,
      willRetryUntil: firstAt + scheduleSpanMs(schedule),
      span,
    })

    const done = results.filter(({ outcome }) => outcome.kind !== 'deferred')
    const history = historyOf(attempted, lines, done, told, now())
    if (waiting.length === 0) return [{ kind: 'finish', id: task.id, history }]
    const partly: Settlement[] = done.length === 0 ? [] : [{ kind: 'remember', id: task.id, history }]
    const rest: Task = {
      ...task,
      to: waiting.map(({ recipient }) => recipient),
      attempts: lines,
      ...(told.includes('delayed') ? { delayNotified: true } : {}),
    }
    if (isHeld || nextAt === null) {
      metrics.event('parked')
      log.event('parked', { id: task.id, destination: attempted.destination, reason: NOT_KNOWN }, span?.ids)
      return [...partly, { kind: 'park', id: task.id, reason: NOT_KNOWN, task: rest }]
    }
    return [...partly, { kind: 'defer', task: rest, at: nextAt, transcript: packTranscript(report.transcript) }]
  }
}
export type Conclude = ReturnType<typeof createConclude>
