/**
 * Conversations with far ends. One conversation serves one destination: it dials when there is something to deliver, carries
 * message after message over one connection, and leaves a healthy connection to the next conversation with the same far end.
 * `deliver` never throws for what a far end, the network or the content store can cause: that is in its report.
 */
import type { DeliveryReport, Task } from '@sluice/contracts'
import type { Span } from '@sluice/tracing'
import { runAttempt } from './attempt.ts'
import { createConnectionMetrics } from './connection-metrics.ts'
import { type Connection, isSpent } from './connections.ts'
import { createPool } from './pool.ts'
import type { ShapedRoute } from './shaped-route.ts'
import type { ConversationsParts, Shared } from './shared.ts'

export type Conversation = {
  /**
   * One attempt; one call at a time. Outcomes stand in the order of `task.to`.
   * @param content a new reading of the stored content at each call: `task.sizeBytes` bytes, lines ended by CRLF, not dot-stuffed
   * @param options.signal ends the attempt at once: what was not settled is deferred
   * @param options.leave aborted with `signal` at the latest: ends an attempt that has no content under way; left out, it is `signal`
   * @param options.aboutToEnd called, not awaited, just before the final dot of each transaction
   * @param options.span of the attempt, where it is traced
   */
  deliver: (
    task: Task,
    content: () => AsyncIterable<Buffer>,
    options: { signal: AbortSignal; leave?: AbortSignal; aboutToEnd: () => void; span?: Span | null },
  ) => Promise<DeliveryReport>
  /** The session ends: a healthy connection waits `idleConnectionMs` for another conversation, others are closed. */
  release: () => void
}

export type Conversations = {
  /** No I/O yet. */
  open: (destination: string, route: ShapedRoute) => Conversation
  /** Says QUIT on all idle connections; those released later are closed at once. */
  closeIdle: () => Promise<void>
}

export const createConversations = (parts: ConversationsParts): Conversations => {
  const { metrics, ...rest } = parts
  const pool = createPool({ idleMs: parts.config.delivery.idleConnectionMs })
  const { count, took } = createConnectionMetrics(metrics, pool.size)
  const applyRules = parts.applyRules ?? ((judgement) => ({ judgement, curb: null }))
  const shared: Shared = { ...rest, random: parts.random ?? Math.random, ca: parts.ca, applyRules, pool, count, took }
  return {
    open: (destination, route) => {
      const held: { connection: Connection | null } = { connection: null }
      return {
        deliver: (task, content, options) =>
          runAttempt({ task, content, span: null, leave: options.signal, ...options, destination, route, shared, held }),
        release: () => {
          const { connection } = held
          held.connection = null
          if (connection === null) return
          if (isSpent(connection)) connection.client.leave()
          else pool.put(connection.key, connection.client)
        },
      }
    },
    closeIdle: async () => pool.close(),
  }
}
