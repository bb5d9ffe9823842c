/** From the answers of one transaction to one judgement per recipient (R-outcome, R-partial, R-lmtp). */
import type { Recipient, Stage } from '@sluice/contracts'
import { type Judgement, judge } from '@sluice/smtp'
import { type Answer, hasCode } from './answer.ts'
import type { TransactionResult } from './transaction.ts'

export type Setting = {
  host: string
  /** The far end offers DSN: success is its to report (R-dsn-pass). */
  dsnPassed: boolean
  /** SMTP only: an LMTP server delivers for good. */
  isRelay: boolean
  ownMailbox: boolean
}

const judgeAnswer = (
  answer: Answer,
  stage: Stage,
  setting: Setting,
  extra: { acceptedBefore?: number; relayed?: boolean } = {},
) =>
  answer.kind === 'lost'
    ? judge({ kind: 'lost', stage, host: setting.host, what: answer.what })
    : judge({ kind: 'reply', stage, host: setting.host, reply: answer.reply, ownMailbox: setting.ownMailbox, ...extra })

/** @param recipients those of the transaction, in its order */
export const judgeTransaction = (result: TransactionResult, recipients: readonly Recipient[], setting: Setting): Judgement[] => {
  let accepted = 0
  return recipients.map((recipient, i) => {
    if (!hasCode(result.mail, 2)) return judgeAnswer(result.mail, 'mail', setting)
    const rcpt = result.rcpt[i] ?? { kind: 'lost', what: 'no reply to RCPT' }
    if (!hasCode(rcpt, 2)) return judgeAnswer(rcpt, 'rcpt', setting, { acceptedBefore: accepted })
    const place = accepted++
    if (!hasCode(result.data, 3)) return judgeAnswer(result.data ?? { kind: 'lost', what: 'no reply to DATA' }, 'data', setting)
    if (result.unreadable !== null) return judge({ kind: 'unreadable', host: setting.host, what: result.unreadable })
    const dot = result.dot[place] ?? { kind: 'lost', what: 'no reply to the final dot' }
    // An early 2xx is no promise for content that was not sent.
    if (!result.ended && hasCode(dot, 2))
      return judge({ kind: 'lost', stage: 'content', host: setting.host, what: 'answered too early' })
    const relayed = setting.isRelay && !setting.dsnPassed && (recipient.notify?.includes('SUCCESS') ?? false)
    return judgeAnswer(dot, result.ended || dot.kind === 'reply' ? 'dot' : 'content', setting, { relayed })
  })
}
