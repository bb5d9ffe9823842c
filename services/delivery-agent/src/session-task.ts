/**
 * One task in hand of a session: decode it, attempt it, and say how it is settled. Nothing here throws for what a payload, a
 * content or a far end can cause; what is not understood is parked, never dropped.
 */
import { ContentError, type ContentStore } from '@sluice/content-store'
import { type Attempt, type DeliveryReport, domainOf, type SiteReport, type Stage, type Task } from '@sluice/contracts'
import type { Log, TraceIds } from '@sluice/runtime'
import { judge } from '@sluice/smtp'
import { decodeTask, type HandedTask, type Settlement } from '@sluice/spool'
import type { Span, Tracer } from '@sluice/tracing'
import type { Conversation } from './conversations.ts'
import type { AgentMetrics } from './session-metrics.ts'
import type { Conclude } from './session-outcomes.ts'
import type { ShapedRoute } from './shaped-route.ts'
import { endTask, traceTask } from './spans.ts'

export type Handled = { settlements: Settlement[]; site: SiteReport; task: Task | null }

export type TaskContext = {
  destination: string
  /** As policies have it now: it changes while a session lasts. */
  route: ShapedRoute | null
  conversation: Conversation
  signal: AbortSignal
  /** Whose content is not under way goes back. */
  leave: AbortSignal
  /** @returns to be called when the outcome is known */
  aboutToEnd: (id: string) => () => void
  /** The last conversation about a task. */
  transcript: (id: string) => Promise<string[]>
}

export type TaskDependencies = {
  contentStore: ContentStore
  conclude: Conclude
  /** null: tracing is off */
  tracer: Tracer | null
  log: Log
  metrics: AgentMetrics
  now: () => number
}

/** So many runs died with this task in hand, one after the other: it may be the cause. */
const MOST_CRASHES = 3

async function* once(bytes: Buffer): AsyncIterable<Buffer> {
  yield bytes
}

/** At the end of the list: an attempt that came to an outcome in between clears the task of suspicion. */
const crashesInARow = (attempts: readonly Attempt[]): number =>
  attempts.length - 1 - attempts.findLastIndex(({ stage }) => stage !== 'crash')

const ownReport = (task: Task, stage: Stage, given: Parameters<typeof judge>[0], line: string): DeliveryReport => {
  const { outcome } = judge(given)
  const outcomes = task.to.map(() => outcome)
  return { outcomes, host: null, stage, site: { kind: 'none' }, transcript: [`# ${line}`], dsnPassed: false }
}

export const createTaskHandler = ({ contentStore, conclude, tracer, log, metrics, now }: TaskDependencies) => {
  const park = (destination: string, id: string, reason: string, ids?: TraceIds): Handled => {
    metrics.event('parked')
    log.event('parked', { id, destination, reason }, ids)
    return { settlements: [{ kind: 'park', id, reason, task: null }], site: { kind: 'none' }, task: null }
  }

  /** `lost` says why the stored content can never be delivered again. */
  const contentOf = (task: Task, handed: HandedTask): { read: () => AsyncIterable<Buffer>; lost: () => string | null } => {
    const { content } = handed
    if (content !== null) return { read: () => once(content), lost: () => null }
    let lost: string | null = null
    async function* read(): AsyncIterable<Buffer> {
      try {
        yield* contentStore.read(task.id, task.content, task.sizeBytes)
      } catch (error) {
        if (error instanceof ContentError && (error.code === 'missing' || error.code === 'short')) lost = error.message
        throw error
      }
    }
    return { read, lost: () => lost }
  }

  /** Decodes, then concludes what `attempt` reports. */
  const handle = async (
    handed: HandedTask,
    context: TaskContext,
    name: 'attempt' | 'recovery' | 'expiry',
    attempt: (task: Task, content: () => AsyncIterable<Buffer>, span: Span | null) => Promise<DeliveryReport | 'handed-back'>,
  ): Promise<Handled> => {
    const decoded = decodeTask(handed.data)
    if (decoded.kind === 'corrupt') return park(context.destination, handed.id, decoded.reason)
    const task = decoded.value
    if (task.content.store === 'inline' && handed.content === null)
      return park(context.destination, handed.id, 'the content is missing')
    if (handed.content !== null && handed.content.length !== task.sizeBytes)
      return park(context.destination, handed.id, `the content has ${handed.content.length} bytes, not ${task.sizeBytes}`)
    const startedAt = now()
    const begunAt = performance.now()
    const content = contentOf(task, handed)
    const { destination, route } = context
    // A task that was rerouted counts on where it left off.
    const attempts = Math.max(handed.attempts, (task.attempts.at(-1)?.n ?? 0) + 1)
    const span = traceTask(tracer, name, { task, destination, attempt: attempts, now: startedAt })
    const report = await attempt(task, content.read, span)
    if (report === 'handed-back') {
      metrics.event('hand-back')
      log.event('hand-back', { id: task.id, destination }, span?.ids)
      span?.end('handed-back')
      return { settlements: [{ kind: 'return', id: task.id }], site: { kind: 'none' }, task: null }
    }
    metrics.attempt(report.stage, (performance.now() - begunAt) / 1000)
    const lost = content.lost()
    if (lost !== null && report.outcomes.every(({ kind }) => kind === 'deferred')) {
      span?.end('content-lost')
      return park(destination, task.id, lost, span?.ids)
    }
    const expired = name === 'expiry'
    const attempted = { task, destination, route, attempts, startedAt, report, content: content.read, expired, span }
    const settlements = await conclude(attempted)
    if (span !== null) endTask(span, report)
    return { settlements, site: report.site, task }
  }

  return {
    /** A conversation with the far end. Told to leave before the content ended, the task goes back, without an attempt. */
    attempt: (handed: HandedTask, context: TaskContext): Promise<Handled> =>
      handle(handed, context, 'attempt', async (task, content, span) => {
        const { route, signal, leave } = context
        if (route === null) {
          const domain = domainOf(context.destination)
          return ownReport(task, 'route', { kind: 'no-route', domain }, `no route for ${domain}`)
        }
        metrics.event('attempt')
        metrics.attempted(route.siteClass, handed.attempts > 1)
        const fields = {
          id: task.id,
          destination: context.destination,
          attempt: handed.attempts,
          recipients: task.to.length,
        }
        log.event('attempt', fields, span?.ids)
        let ending = false
        let known = (): void => {}
        const aboutToEnd = (): void => {
          known()
          ending = true
          known = context.aboutToEnd(task.id)
        }
        const report = await context.conversation.deliver(task, content, { signal, leave, aboutToEnd, span })
        known()
        const settled = report.outcomes.some((outcome) => outcome.kind !== 'deferred')
        return leave.aborted && !ending && !settled ? 'handed-back' : report
      }),

    /** A run of this session died with the task in hand: the attempt counts, and what is not known is said. */
    recover: (handed: HandedTask, context: TaskContext, crashesNow: number): Promise<Handled> => {
      const decoded = decodeTask(handed.data)
      const crashes = crashesNow + (decoded.kind === 'ok' ? crashesInARow(decoded.value.attempts) : 0)
      if (crashes >= MOST_CRASHES)
        return Promise.resolve(
          park(context.destination, handed.id, `the delivery-agent died ${crashes} times in a row with it in hand`),
        )
      const line = handed.marked ? 'interrupted after the content may have ended' : 'interrupted'
      return handle(handed, context, 'recovery', (task, _content, span) => {
        metrics.event('recovery')
        const fields = { id: task.id, destination: context.destination, outcomeUnknown: handed.marked }
        log.event('recovery', fields, span?.ids)
        return Promise.resolve(ownReport(task, 'crash', { kind: 'crash', afterDot: handed.marked }, `the delivery was ${line}`))
      })
    },

    /** It outlived its schedule while its site was left alone, untried. */
    expire: (handed: HandedTask, context: TaskContext, why: string): Promise<Handled> =>
      handle(handed, context, 'expiry', (task) => {
        const lost = { kind: 'lost', stage: 'connect', host: domainOf(context.destination), what: why } as const
        return Promise.resolve(ownReport(task, 'connect', lost, `not tried: ${why}`))
      }),
  }
}
export type TaskHandler = ReturnType<typeof createTaskHandler>
