/**
 * One attempt to deliver one task: as many transactions as its recipients need (R-rcpt-split), over as many hosts as it takes
 * until one talks (R-outcome). Every turn of the loop settles a recipient, uses up a host or gives up a used connection, so it ends.
 */
import {
  type Curb,
  type DeliveryReport,
  domainOf,
  type Outcome,
  type SiteReport,
  type Stage,
  stageSchema,
  type Task,
} from '@sluice/contracts'
import { type Judgement, judge } from '@sluice/smtp'
import type { Span } from '@sluice/tracing'
import { hasCode } from './answer.ts'
import { type Connection, findConnection, isSpent, newSearch, type Search } from './connections.ts'
import { unfitFor } from './envelope-commands.ts'
import { judgeTransaction } from './judge-transaction.ts'
import { labelOf } from './open-client.ts'
import type { ShapedRoute } from './shaped-route.ts'
import type { Shared } from './shared.ts'
import { endTransaction, traceTransaction } from './spans.ts'
import { resetIfNeeded, runTransaction } from './transaction.ts'

export type AttemptParts = {
  task: Task
  content: () => AsyncIterable<Buffer>
  /** Ends the attempt at once. */
  signal: AbortSignal
  /** Ends it at once, too, unless content is under way: then after that. */
  leave: AbortSignal
  aboutToEnd: () => void
  /** null: not traced */
  span: Span | null
  destination: string
  route: ShapedRoute
  shared: Shared
  /** The conversation's connection: taken over from the last message and left for the next. */
  held: { connection: Connection | null }
}

type Attempt = AttemptParts & {
  search: Search
  outcomes: (Outcome | null)[]
  /** Why the recipients that are still open were not taken by the last host. */
  last: (Judgement | null)[]
  /** Recipients without an outcome, as indexes into task.to. */
  pending: number[]
  used: Connection | null
  /** The connection in use has settled a recipient: its host may be dialled once more for the rest. */
  hasSettled: boolean
  site: SiteReport
  /** What a reply rule said of the site; the first one counts. */
  curb: Curb | null
}

const MAX_TRANSCRIPT_LINES = 3_000

const settle = (attempt: Attempt, judgementOf: (i: number) => Judgement): void => {
  for (const i of attempt.pending) attempt.outcomes[i] = judgementOf(i).outcome
  attempt.pending = []
}

const interrupted = (): Judgement => judge({ kind: 'crash', afterDot: false })

/** The transcript of a connection that is given up stays with the attempt. A host that took some is asked again for the rest. */
const dropConnection = (attempt: Attempt): void => {
  const { held, search } = attempt
  const { connection } = held
  held.connection = null
  if (connection === null) return
  if (attempt.used === connection) {
    search.transcript.push(...connection.client.transcript.lines())
    attempt.used = null
    if (attempt.hasSettled && search.left?.includes(connection.candidate) === false) search.left.unshift(connection.candidate)
  }
  connection.client.leave()
}

/** The held connection, when it is still good, or another one. */
const obtain = async (attempt: Attempt): Promise<Connection | null> => {
  const { held, destination, route, shared, search, leave } = attempt
  if (held.connection !== null) {
    const { connection } = held
    await resetIfNeeded(connection.client, leave)
    if (!connection.client.isOpen || isSpent(connection)) dropConnection(attempt)
  }
  held.connection ??= await findConnection(destination, route, shared, search, leave)
  const { connection } = held
  if (connection !== null && attempt.used !== connection) {
    connection.client.transcript.begin()
    attempt.used = connection
    attempt.hasSettled = false
  }
  return connection
}

const transact = async (attempt: Attempt, connection: Connection): Promise<void> => {
  const { task, route, search, shared } = attempt
  const { client, candidate } = connection
  const host = labelOf(candidate)
  const chosen = attempt.pending.slice(0, route.maxRecipients)
  const recipients = chosen.map((i) => task.to[i]!)
  search.host = candidate.name
  const unfit = unfitFor(task, recipients, client)
  if (unfit !== null) {
    attempt.site = { kind: 'ok' }
    client.transcript.note('the far end cannot take this message; nothing was sent')
    const outcome = judge({ ...unfit, host }).outcome
    for (const i of chosen) attempt.outcomes[i] = outcome
    attempt.pending = attempt.pending.slice(chosen.length)
    return
  }
  const { content, aboutToEnd } = attempt
  client.transactions++
  const span = attempt.span === null ? null : traceTransaction(attempt.span, client, candidate, chosen.length)
  const result = await runTransaction({ client, task, recipients: chosen, content, aboutToEnd, took: shared.took })
  const isRelay = !client.isLmtp
  const setting = { host, dsnPassed: client.offers('DSN'), isRelay, ownMailbox: route.type === 'local' }
  const judgements = judgeTransaction(result, recipients, setting).map(search.ruled)
  if (span !== null) endTransaction(span, judgements)
  if (hasCode(result.mail, 2) || judgements.some((judgement) => judgement.concerns === 'message')) attempt.site = { kind: 'ok' }
  record(attempt, chosen, judgements)
  // Whatever concerns the host ends this connection: the next turn takes another one.
  if (judgements.some(({ concerns }) => concerns === 'host') || !client.isOpen) dropConnection(attempt)
}

/** Final is what concerns the message, and what may have been taken already; the rest stays pending. */
const record = (attempt: Attempt, chosen: readonly number[], judgements: readonly Judgement[]): void => {
  const settled = new Set<number>()
  for (const [place, i] of chosen.entries()) {
    const judgement = judgements[place]!
    const { outcome } = judgement
    const isUnknown = outcome.kind === 'deferred' && outcome.unknown
    attempt.last[i] = judgement
    if (judgement.tooManyRecipients || (judgement.concerns === 'host' && !isUnknown)) continue
    attempt.outcomes[i] = outcome
    settled.add(i)
  }
  attempt.hasSettled ||= settled.size > 0
  attempt.pending = attempt.pending.filter((i) => !settled.has(i))
}

const giveUp = (attempt: Attempt): void => {
  const { search, leave, destination } = attempt
  const { failure } = search
  const lost = {
    kind: 'lost',
    stage: 'mail',
    host: search.host ?? domainOf(destination),
    what: 'the connection was lost before',
  } as const
  settle(attempt, (i) => (leave.aborted ? interrupted() : (failure?.judgement ?? attempt.last[i] ?? judge(lost))))
  if (leave.aborted || attempt.site.kind === 'ok') return
  const reason = attempt.outcomes.find((outcome) => outcome?.kind === 'deferred')
  const isAboutSite = failure === null || failure.isAboutSite
  attempt.site = isAboutSite && reason?.kind === 'deferred' ? { kind: 'failed', reason: reason.reason } : { kind: 'none' }
}

const stageOf = (outcomes: readonly Outcome[]): Stage => {
  const order = stageSchema.options
  const stages = outcomes.map((outcome) => order.indexOf(outcome.kind === 'delivered' ? 'dot' : outcome.stage))
  return order[Math.max(...stages)] ?? 'connect'
}

const report = (attempt: Attempt): DeliveryReport => {
  const client = attempt.used?.client
  const outcomes = attempt.outcomes.map((outcome) => outcome ?? interrupted().outcome)
  const said = client === undefined ? [] : client.transcript.lines()
  const transcript = attempt.search.transcript.length === 0 ? said : [...attempt.search.transcript, ...said]
  const tls = client?.tlsName ?? null
  return {
    outcomes,
    host: attempt.search.host,
    stage: stageOf(outcomes),
    site: siteReport(attempt),
    transcript: transcript.length > MAX_TRANSCRIPT_LINES ? transcript.slice(-MAX_TRANSCRIPT_LINES) : transcript,
    dsnPassed: client?.offers('DSN') ?? false,
    ...(tls === null ? {} : { tls }),
  }
}

/** What a rule said of the site comes with what the attempt said of it: one that refused us before any message has failed, too. */
const siteReport = ({ site, curb }: Attempt): SiteReport =>
  curb === null ? site : { kind: 'curb', ...curb, ...(site.kind === 'failed' ? { failed: true } : {}) }

/** Reply rules look at every refusal of this attempt. */
const rulesOf = ({ task, destination, route, shared, span }: AttemptParts, keep: (curb: Curb) => void): Search['ruled'] => {
  const parts = { id: task.id, destination, route, told: new Set<string>(), ids: span?.ids }
  return (judged) => {
    const { judgement, curb } = shared.applyRules(judged, parts)
    if (curb !== null) keep(curb)
    return judgement
  }
}

export const runAttempt = async (parts: AttemptParts): Promise<DeliveryReport> => {
  const { task, held, signal, leave } = parts
  const keepCurb = (curb: Curb): void => {
    attempt.curb ??= curb
  }
  const attempt: Attempt = {
    ...parts,
    search: newSearch(task.id, rulesOf(parts, keepCurb), parts.span),
    outcomes: task.to.map(() => null),
    last: task.to.map(() => null),
    pending: task.to.map((_, i) => i),
    used: null,
    hasSettled: false,
    site: { kind: 'none' },
    curb: null,
  }
  const stop = (): void => held.connection?.client.abandon('the delivery was interrupted')
  const stopUnlessInContent = (): void => {
    if (signal.aborted || held.connection?.client.inContent !== true) stop()
    else signal.addEventListener('abort', stop)
  }
  leave.addEventListener('abort', stopUnlessInContent)
  while (attempt.pending.length > 0 && !leave.aborted) {
    const connection = await obtain(attempt)
    if (connection === null) break
    await transact(attempt, connection)
  }
  leave.removeEventListener('abort', stopUnlessInContent)
  if (leave.aborted) signal.removeEventListener('abort', stop)
  if (attempt.pending.length > 0) giveUp(attempt)
  return report(attempt)
}
