/**
 * Who hears of what (RFC 3461 §4.1, R-one-notice): one notice per message, moment and kind, for all recipients it concerns.
 * A message from <> makes no notice at all (R-double): its failures are returned as a double bounce.
 */
import type { Notify } from '@sluice/contracts'
import type { NoticeKind, RecipientResult } from './types.ts'

export type NoticePlan =
  | { kind: 'notices'; notices: { kind: NoticeKind; results: RecipientResult[] }[] }
  /** The reverse-path is null and these recipients failed: kept for the postmaster, told to nobody. */
  | { kind: 'double-bounce'; results: RecipientResult[] }

export type HearingOptions = {
  /** The time for a delay notice has come, and none was sent for this task. */
  delayDue: boolean
  /** The far end took the DSN parameters: success is its to report (RFC 3461 §5.2.1). */
  dsnPassed: boolean
}

const ORDER: readonly NoticeKind[] = ['failed', 'delayed', 'relayed', 'delivered']

/** RFC 3461 §4.1: without NOTIFY the sender hears of failures. */
const asksFor = (result: RecipientResult, notify: Notify): boolean =>
  (result.recipient.notify ?? ['FAILURE']).includes(notify) && !result.recipient.notify?.includes('NEVER')

const noticeFor = (result: RecipientResult, options: HearingOptions): NoticeKind | null => {
  switch (result.outcome.kind) {
    case 'bounced':
      return asksFor(result, 'FAILURE') ? 'failed' : null
    case 'deferred':
      return options.delayDue && asksFor(result, 'DELAY') ? 'delayed' : null
    case 'delivered':
      if (!asksFor(result, 'SUCCESS') || options.dsnPassed) return null
      return result.outcome.relayed ? 'relayed' : 'delivered'
  }
}

/** @param from the reverse-path, '' for the null one */
export const whoHears = (from: string, results: readonly RecipientResult[], options: HearingOptions): NoticePlan => {
  if (from === '') {
    const failed = results.filter((result) => result.outcome.kind === 'bounced')
    return failed.length > 0 ? { kind: 'double-bounce', results: failed } : { kind: 'notices', notices: [] }
  }
  const notices = ORDER.map((kind) => ({ kind, results: results.filter((result) => noticeFor(result, options) === kind) }))
  return { kind: 'notices', notices: notices.filter((notice) => notice.results.length > 0) }
}
