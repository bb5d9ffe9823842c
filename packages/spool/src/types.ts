import type { StagedContent } from '@sluice/content-store'
import type { Envelope, Recipient } from '@sluice/contracts'

/**
 * A next hop. For routes with hosts of their own (smtp, lmtp, local) the route's name; for MX routes the recipient domain as
 * A-labels. Route names hold no dot and domains always do (a bare top-level domain is written `ai.`), so they never collide.
 */
export type Destination = string

export type Accept = {
  /** The message; `to` holds all recipients of all destinations. */
  envelope: Envelope
  content: StagedContent
  /** Which recipients go where; at least one destination. */
  destinations: Map<Destination, Recipient[]>
  /**
   * Admit at most once in 24 h under this ID, even when an earlier admission has been delivered meanwhile. For messages whose
   * writer may run again after a crash (notices); ingress leaves it out.
   */
  once?: boolean
}

/** Where accepted messages go. Resolves when all is durable by one write; rejects with a StoreError otherwise. */
export type AcceptMessage = (message: Accept) => Promise<void>

/**
 * `refused`: nothing was stored (Redis away before the write, full, or it answered an error).
 * `unknown`: the connection broke after the write was sent; it may have been stored (a possible duplicate, counted).
 */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly fate: 'refused' | 'unknown'
  constructor(fate: 'refused' | 'unknown', message: string, options?: ErrorOptions) {
    super(message, options)
    this.fate = fate
  }
}
