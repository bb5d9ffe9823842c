import type { Envelope, Outcome, Recipient } from '@sluice/contracts'

/** RFC 3464 §2.3.3, without `expanded`. */
export type NoticeKind = 'failed' | 'delayed' | 'relayed' | 'delivered'

/** What became of one recipient, as far as a notice tells it. */
export type RecipientResult = {
  recipient: Recipient
  outcome: Outcome
  /** The far end that spoke last, a name or an address; null when none was reached. */
  host: string | null
  /** ms since the epoch; null when there was no attempt. */
  lastAttemptAt: number | null
}

export type NoticeInput = {
  kind: NoticeKind
  /** The envelope of the message that the notice is about. */
  envelope: Envelope
  /** At least one; all of the notice's kind. */
  results: readonly RecipientResult[]
  /** The last conversation about this message, `S: …`, `C: …`, `# …`. */
  transcript: readonly string[]
  /** The message's bytes: its header at least, the whole content when wantsContent said so. */
  content: Buffer
  /** `content` is the whole message, not its header only. */
  isWhole: boolean
  /** Own name: Reporting-MTA, From, Message-ID. */
  hostname: string
  /** Notices carry the whole message up to this size, its header beyond. */
  maxContentBytes: number
  /** ms since the epoch */
  now: number
  /** ms since the epoch; for `delayed`: when we give up. */
  willRetryUntil?: number
}

/** A message ready to be admitted: null reverse-path, one recipient, seven-bit content with CRLF. */
export type Notice = { envelope: Envelope; content: Buffer }
