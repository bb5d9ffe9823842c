/** What became of one recipient in one attempt. Outcomes are data; only `bounced` and `delivered` are final. */
import type { Stage } from './task.ts'

/** A reply as it came, RFC 5321 §4.2. `text` holds the lines without code, separator and enhanced code. */
export type Reply = { code: number; enhanced?: string; text: string[] }

/** R-causes: which of them a failure notice tells. `given-up`: the postmaster said so. */
export type Cause = 'account-gone' | 'refused' | 'unreachable' | 'given-up'

export type Outcome =
  | { kind: 'delivered'; status: string; reply: Reply | null; relayed: boolean }
  | {
      kind: 'deferred'
      status: string
      reason: string
      reply: Reply | null
      stage: Stage
      unknown: boolean
      /** A reply rule says when to try again, ms from now, unless the schedule is sooner. */
      retryMs?: number
    }
  | { kind: 'bounced'; status: string; reason: string; reply: Reply | null; stage: Stage; cause: Cause }

/** What an attempt said about the site: does the next session have reason to hope? */
export type SiteReport = { kind: 'ok' } | { kind: 'failed'; reason: string } | { kind: 'none' } | ({ kind: 'curb' } & Curb)

/** A reply rule's word on the whole site: leave it alone for a time, or be gentler with it. */
export type Curb = {
  /** The rule's name. */
  rule: string
  /** The reply that it matched, in words. */
  reason: string
  pauseMs?: number
  connections?: number
  /** µs between two messages to the site. */
  intervalUs?: number
  /** ms that connections and interval are held; then they recover step by step. */
  forMs?: number
  /** The site refused before any message could be offered: this counts as a failure in a row, too. */
  failed?: boolean
}

/** All that one attempt brought. `outcomes` stands in the order of the task's recipients. */
export type DeliveryReport = {
  outcomes: Outcome[]
  /** The host that spoke, or the last one dialled. */
  host: string | null
  stage: Stage
  site: SiteReport
  /** R-transcript: lines `S: 220 …` and `C: EHLO …`, notes `# …`; this message's own conversation only. */
  transcript: string[]
  /** The far end took RFC 3461 parameters. */
  dsnPassed: boolean
  /** TLS protocol and cipher, when encrypted. */
  tls?: string
}
