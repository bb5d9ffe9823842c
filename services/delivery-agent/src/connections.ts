/**
 * Connections for one conversation: the one in use, idle ones from the pool, new ones to the route's hosts in turn. A connection
 * is in one pair of hands at a time. Every connection handed out is fit for a new transaction (R-clean).
 */
import { type Judgement, judge } from '@sluice/smtp'
import type { Span } from '@sluice/tracing'
import { type Candidate, type Candidates, findCandidates } from './candidates.ts'
import { labelOf, openClient } from './open-client.ts'
import type { ShapedRoute } from './shaped-route.ts'
import type { Shared } from './shared.ts'
import type { SmtpClient } from './smtp-client.ts'
import { endConnection, traceConnection } from './spans.ts'
import { resetIfNeeded } from './transaction.ts'

export type Connection = {
  client: SmtpClient
  candidate: Candidate
  key: string
  /** Messages it may carry; null: no limit. */
  mostMessages: number | null
}

/** It has carried as many messages as policy allows. */
export const isSpent = ({ client, mostMessages }: Connection): boolean =>
  mostMessages !== null && client.transactions >= mostMessages

/** What became of looking for hosts and dialling them within one attempt. */
export type Search = {
  /** Of the message. */
  id: string
  /** Not tried yet; null: not looked up. */
  left: Candidate[] | null
  /** Dialled last. */
  host: string | null
  /** Why there is no connection; null until something failed. */
  failure: { judgement: Judgement; isAboutSite: boolean } | null
  /** Has reply rules look at a refusal. */
  ruled: (judgement: Judgement) => Judgement
  /** Transcripts of connections that failed. */
  transcript: string[]
  /** Of the attempt; null: not traced */
  span: Span | null
}

export const newSearch = (id: string, ruled: Search['ruled'], span: Span | null): Search => ({
  id,
  left: null,
  host: null,
  failure: null,
  ruled,
  transcript: [],
  span,
})

/** What makes two connections equal. */
const keyOf = ({ name, address, port }: Candidate, { type, tls, auth, source }: ShapedRoute): string =>
  JSON.stringify([type === 'local' ? 'lmtp' : type, name, address, port, tls, auth?.user ?? null, source])

const fromPool = async (
  left: readonly Candidate[],
  route: ShapedRoute,
  { pool }: Shared,
  leave: AbortSignal,
): Promise<Connection | null> => {
  for (const candidate of left.filter(({ rank }) => rank === left[0]?.rank)) {
    const key = keyOf(candidate, route)
    for (let client = pool.take(key); client !== null; client = pool.take(key)) {
      await resetIfNeeded(client, leave)
      const connection = { client, candidate, key, mostMessages: route.messagesPerConnection }
      if (!client.isOpen) continue
      if (!isSpent(connection)) return connection
      client.leave()
    }
  }
  return null
}

const dial = async (
  candidate: Candidate,
  route: ShapedRoute,
  shared: Shared,
  search: Search,
  leave: AbortSignal,
): Promise<Connection | null> => {
  const { config, ca, now, count, took, log } = shared
  const host = labelOf(candidate)
  search.host = candidate.name
  const parts = { candidate, route, hostname: config.hostname, timeouts: config.delivery.timeouts, now, leave }
  const startedAt = performance.now()
  const span = search.span === null ? null : traceConnection(search.span, candidate)
  const opened = await openClient(ca === undefined ? parts : { ...parts, ca })
  if (span !== null) endConnection(span, opened)
  if (opened.kind === 'ready') {
    count('opened')
    took('connect', (performance.now() - startedAt) / 1000)
    return { client: opened.client, candidate, key: keyOf(candidate, route), mostMessages: route.messagesPerConnection }
  }
  count('failed')
  const { stage, reply, what } = opened.failure
  log.debug('connection failed', { id: search.id, host, address: candidate.address, stage, what, ...search.span?.ids })
  const judged = reply === null ? judge({ kind: 'lost', stage, host, what }) : judge({ kind: 'reply', stage, host, reply })
  search.failure = { judgement: search.ruled(judged), isAboutSite: true }
  search.transcript.push(...opened.transcript)
  return null
}

const lookUp = (found: Candidates, search: Search): Candidate[] => {
  if (found.kind === 'hosts') return [...found.hosts]
  const { judgement } = found
  search.failure = { judgement, isAboutSite: judgement.outcome.kind === 'deferred' }
  search.transcript.push(`# ${found.reason}`)
  return []
}

/** A connection that was not used in this attempt yet, or null: then `search.failure` says why, unless `leave` was aborted. */
export const findConnection = async (
  destination: string,
  route: ShapedRoute,
  shared: Shared,
  search: Search,
  leave: AbortSignal,
): Promise<Connection | null> => {
  search.left ??= lookUp(await findCandidates(destination, route, shared), search)
  const idle = await fromPool(search.left, route, shared, leave)
  if (idle !== null) {
    shared.count('reused')
    return idle
  }
  for (let candidate = search.left.shift(); candidate !== undefined; candidate = search.left.shift()) {
    if (leave.aborted) return null
    const connection = await dial(candidate, route, shared, search, leave)
    if (connection !== null) return connection
  }
  return null
}
