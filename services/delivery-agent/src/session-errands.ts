/**
 * What the postmaster marked a task with, done by whoever takes it: nobody is dialled. A bounce admits its notice and a reroute
 * its other task before the settlement that this returns is made, each once, so that a crash between costs and doubles nothing.
 */
import type { ContentStore } from '@sluice/content-store'
import type { Attempt, Mark, Outcome, Task } from '@sluice/contracts'
import { OTHER_SITES } from '@sluice/directory'
import type { Log } from '@sluice/runtime'
import { decodeTask, type HandedTask, type History, type Reroute, readMark, type Settlement } from '@sluice/spool'
import type { Span, Tracer } from '@sluice/tracing'
import type { TellSender } from './notices.ts'
import type { AgentMetrics } from './session-metrics.ts'
import type { Handled } from './session-task.ts'
import type { ShapedRoute } from './shaped-route.ts'
import { traceTask } from './spans.ts'

export type ErrandContext = {
  destination: string
  route: ShapedRoute | null
  /** The last conversation about a task. */
  transcript: (id: string) => Promise<string[]>
}

export type ErrandDependencies = {
  contentStore: Pick<ContentStore, 'read'>
  tellSender: TellSender
  reroute: Reroute
  /** null: tracing is off */
  tracer: Tracer | null
  log: Log
  metrics: AgentMetrics
  now: () => number
}

type Errand = { task: Task; mark: Mark; handed: HandedTask; context: ErrandContext; span: Span | null }

/** RFC 3463 §3.1, other undefined status: no far end said so. */
const STATUS = '5.0.0'

async function* once(bytes: Buffer): AsyncIterable<Buffer> {
  yield bytes
}

const because = (text: string, why: string): string => (why === '' ? text : `${text}: ${why}`)

const lastWords = (last: Attempt | undefined): string => (last === undefined ? '' : `. The last attempt ended so: ${last.reply}`)

type Ended = { kind: string; status: string; reason: string; notice?: string[]; transcript?: string[] }

const historyOf = ({ task, mark, context }: Errand, ended: Ended, now: number): string => {
  const { kind, status, reason, notice = [], transcript = [] } = ended
  const history: History = {
    at: now,
    destination: context.destination,
    from: task.from,
    receivedAt: task.receivedAt,
    sizeBytes: task.sizeBytes,
    ...(task.client === undefined ? {} : { client: task.client }),
    attempts: task.attempts,
    recipients: task.to.map(({ address }) => ({ address, kind, status, reason })),
    ...(notice.length === 0 ? {} : { notice: notice.join(', ') }),
    ...(transcript.length === 0 ? {} : { transcript }),
    by: mark,
  }
  return JSON.stringify(history)
}

export const createErrands = ({ contentStore, tellSender, reroute, tracer, log, metrics, now }: ErrandDependencies) => {
  const handled = (settlement: Settlement, task: Task | null): Handled => ({
    settlements: [settlement],
    site: { kind: 'none' },
    task,
  })

  const park = (id: string, destination: string, reason: string): Handled => {
    metrics.event('parked')
    log.event('parked', { id, destination, reason })
    return handled({ kind: 'park', id, reason, task: null }, null)
  }

  const tell = (event: 'hold' | 'delete' | 'reroute', { task, mark, context, span }: Errand): void => {
    metrics.event(event)
    const to = mark.to === undefined ? {} : { rerouted: mark.to }
    const fields = { id: task.id, destination: context.destination, ...to, who: mark.who, why: mark.why }
    log.event(event, fields, span?.ids)
  }

  const finish = (errand: Errand, ended: Ended): Handled =>
    handled({ kind: 'finish', id: errand.task.id, history: historyOf(errand, ended, now()) }, errand.task)

  const bounce = async (errand: Errand): Promise<Handled> => {
    const { task, mark, handed, context, span } = errand
    const last = task.attempts.at(-1)
    const reason = because('The postmaster gave the message up', mark.why) + lastWords(last)
    const outcome: Outcome = { kind: 'bounced', status: STATUS, reason, reply: null, stage: 'route', cause: 'given-up' }
    const transcript = await context.transcript(task.id)
    const host = last?.host ?? null
    const notice = await tellSender({
      task,
      results: task.to.map((recipient) => ({ recipient, outcome, host, lastAttemptAt: last?.at ?? null })),
      transcript,
      content: () => (handed.content === null ? contentStore.read(task.id, task.content, task.sizeBytes) : once(handed.content)),
      dsnPassed: false,
      delayDue: false,
      willRetryUntil: now(),
      span,
    })
    for (const { address } of task.to) {
      metrics.outcome('bounce', 'route', context.route?.siteClass ?? OTHER_SITES, STATUS)
      const facts = { id: task.id, destination: context.destination, to: address, status: STATUS, reply: reason }
      log.event('bounce', { ...facts, who: mark.who, why: mark.why }, span?.ids)
    }
    return finish(errand, { kind: 'bounced', status: STATUS, reason, notice, transcript })
  }

  const remove = (errand: Errand): Handled => {
    tell('delete', errand)
    return finish(errand, { kind: 'deleted', status: STATUS, reason: because('deleted by the postmaster', errand.mark.why) })
  }

  const move = async (errand: Errand): Promise<Handled> => {
    const { task, mark, handed, context } = errand
    const { to } = mark
    if (to === undefined) return park(task.id, context.destination, 'not rerouted: the mark names no destination')
    const moved = await reroute({ task, content: handed.content, mark, from: context.destination, to })
    if (moved.kind === 'clash') return park(task.id, context.destination, `not rerouted to ${to}: ${moved.why}`)
    tell('reroute', errand)
    return finish(errand, { kind: 'rerouted', status: '2.0.0', reason: because(`goes to ${to} instead`, mark.why) })
  }

  /** A payload that nobody understands can be deleted, and nothing else. */
  const handleCorrupt = (handed: HandedTask, mark: Mark, context: ErrandContext, reason: string): Handled => {
    if (mark.verb !== 'delete') return park(handed.id, context.destination, reason)
    metrics.event('delete')
    log.event('delete', { id: handed.id, destination: context.destination, who: mark.who, why: mark.why, reason })
    const recipients = [{ address: '', kind: 'deleted', status: STATUS, reason: because('deleted by the postmaster', mark.why) }]
    const known = { at: now(), destination: context.destination, from: '', receivedAt: mark.at, sizeBytes: 0 }
    const history: History = { ...known, attempts: [], recipients, by: mark }
    return handled({ kind: 'finish', id: handed.id, history: JSON.stringify(history) }, null)
  }

  const carryOut = async (errand: Errand): Promise<Handled> => {
    switch (errand.mark.verb) {
      case 'bounce':
        return bounce(errand)
      case 'delete':
        return remove(errand)
      case 'reroute':
        return move(errand)
      // `hold` needs no task to be understood; the others are done by the spool's script itself: never left for an agent.
      case 'hold':
      case 'release':
      case 'retry':
        return handled({ kind: 'return', id: errand.task.id }, null)
    }
  }

  return async (handed: HandedTask, context: ErrandContext): Promise<Handled> => {
    const mark = readMark(handed.verb)
    if (mark === null) return park(handed.id, context.destination, 'the mark of the postmaster is not understood')
    if (mark.verb === 'hold') {
      metrics.event('hold')
      log.event('hold', { id: handed.id, destination: context.destination, who: mark.who, why: mark.why })
      return handled({ kind: 'hold', id: handed.id, reason: because(`held by ${mark.who}`, mark.why), mark }, null)
    }
    const decoded = decodeTask(handed.data)
    if (decoded.kind === 'corrupt') return handleCorrupt(handed, mark, context, decoded.reason)
    const task = decoded.value
    const facts = { task, destination: context.destination, attempt: task.attempts.length, now: now() }
    const span = traceTask(tracer, 'errand', facts)
    const done = await carryOut({ task, mark, handed, context, span })
    span?.set({ 'sluice.verb': mark.verb })
    span?.end()
    return done
  }
}
export type ExecuteErrand = ReturnType<typeof createErrands>
