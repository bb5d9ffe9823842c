/**
 * The second part: message/delivery-status (RFC 3464 §2), or message/global-delivery-status (RFC 6533 §4) when the message is a
 * UTF-8 one. Fields come from outside in part: none can end a line, and outside of the global form all is ASCII.
 */
import type { Outcome } from '@sluice/contracts'
import { formatDate, formatHeader, formatOrcpt, needsUtf8, oneLine, quoteHeaderValue, replyText } from '@sluice/smtp'
import type { NoticeInput, NoticeKind, RecipientResult } from './types.ts'

/** UTF-8 addresses or headers: the notice uses the global media types. */
export const isGlobal = (input: NoticeInput): boolean =>
  input.envelope.utf8 || input.results.some((result) => needsUtf8(result.recipient.address))

const clean = (text: string, global: boolean): string => (global ? oneLine(text) : quoteHeaderValue(text))

/** Addresses keep their spaces as they are, so these fields are not folded. */
const addressField = (name: string, value: string): string => `${name}: ${value}\r\n`

const finalRecipient = (address: string): string => `${needsUtf8(address) ? 'utf-8' : 'rfc822'}; ${oneLine(address)}`

/** ORCPT as the sender gave it; else the name that an alias led away from. */
const originalRecipient = ({ recipient }: RecipientResult, global: boolean): string | null => {
  if (recipient.orcpt === undefined) return recipient.original === undefined ? null : finalRecipient(recipient.original)
  const orcpt = needsUtf8(recipient.orcpt) && !global ? formatOrcpt(recipient.orcpt) : oneLine(recipient.orcpt)
  const semicolon = orcpt.indexOf(';')
  return `${orcpt.slice(0, semicolon)}; ${orcpt.slice(semicolon + 1)}`
}

/** RFC 3464 §2.3.6: the far end's own words, or ours under a type of our own. Bounded, so that a chatty host stays readable. */
const diagnostic = (outcome: Outcome): string | null => {
  if (outcome.reply !== null) return `smtp; ${replyText(outcome.reply)}`
  return outcome.kind === 'delivered' ? null : `X-Sluice; ${outcome.reason}`
}
const MAX_DIAGNOSTIC = 4000

const actionOf = (kind: NoticeKind, outcome: Outcome): NoticeKind =>
  outcome.kind === 'delivered' ? (outcome.relayed ? 'relayed' : 'delivered') : kind

const recipientFields = (input: NoticeInput, result: RecipientResult, global: boolean): string => {
  const original = originalRecipient(result, global)
  const words = diagnostic(result.outcome)
  const fields = [
    original === null ? '' : addressField('Original-Recipient', original),
    addressField('Final-Recipient', finalRecipient(result.recipient.address)),
    formatHeader('Action', actionOf(input.kind, result.outcome)),
    formatHeader('Status', result.outcome.status),
    result.host === null ? '' : formatHeader('Remote-MTA', `dns; ${quoteHeaderValue(result.host)}`),
    words === null ? '' : formatHeader('Diagnostic-Code', clean(words, global).slice(0, MAX_DIAGNOSTIC)),
    result.lastAttemptAt === null ? '' : formatHeader('Last-Attempt-Date', formatDate(result.lastAttemptAt)),
    input.kind === 'delayed' && input.willRetryUntil !== undefined
      ? formatHeader('Will-Retry-Until', formatDate(input.willRetryUntil))
      : '',
  ]
  return fields.join('')
}

export const statusPart = (input: NoticeInput): { type: string; body: string } => {
  const global = isGlobal(input)
  const { envelope } = input
  const message = [
    formatHeader('Reporting-MTA', `dns; ${quoteHeaderValue(input.hostname)}`),
    envelope.envid === undefined ? '' : formatHeader('Original-Envelope-Id', quoteHeaderValue(envelope.envid)),
    formatHeader('Arrival-Date', formatDate(envelope.receivedAt)),
    formatHeader('X-Sluice-Message-ID', envelope.id),
  ].join('')
  return {
    type: global ? 'message/global-delivery-status' : 'message/delivery-status',
    body: [message, ...input.results.map((result) => recipientFields(input, result, global))].join('\r\n'),
  }
}
