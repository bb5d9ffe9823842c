/**
 * The first part: what happened, to whom, why, what the reader can do, then the details; it ends with the full transcript of
 * the last conversation about this message, credentials redacted (R-causes, R-transcript).
 */
import type { Cause } from '@sluice/contracts'
import { firstHeader, formatDate, oneLine, redactTranscript, replyText } from '@sluice/smtp'
import { decodeWords } from './encoding.ts'
import type { NoticeInput, RecipientResult } from './types.ts'
import { CAUSE, OPENING, wrap } from './words.ts'

/** What the sender wrote; where an alias led elsewhere, both. */
const nameOf = ({ recipient }: RecipientResult): string =>
  recipient.original === undefined || recipient.original === recipient.address
    ? `<${recipient.address}>`
    : `<${recipient.original}> (which leads to <${recipient.address}>)`

const reasonOf = ({ outcome, host }: RecipientResult): string => {
  if (outcome.kind !== 'delivered') return outcome.reason
  const where = host === null ? '' : `${host} took it`
  return outcome.reply === null ? where : `${where === '' ? 'Taken' : where}: ${replyText(outcome.reply)}`
}

const recipientLines = (result: RecipientResult): string[] => [
  `  ${oneLine(nameOf(result))}`,
  ...wrap(oneLine(reasonOf(result)), '    '),
  '',
]

const CAUSES: readonly Cause[] = ['account-gone', 'refused', 'unreachable', 'given-up']

/** Failed recipients by cause, each cause with its words; others in one list. */
const recipientSections = (input: NoticeInput): string[] => {
  if (input.kind !== 'failed') return input.results.flatMap(recipientLines)
  return CAUSES.flatMap((cause) => {
    const results = input.results.filter(({ outcome }) => outcome.kind === 'bounced' && outcome.cause === cause)
    if (results.length === 0) return []
    return [...results.flatMap(recipientLines), ...wrap(CAUSE[cause].why), '', ...wrap(CAUSE[cause].advice), '']
  })
}

const detailLines = (input: NoticeInput): string[] => {
  const { envelope } = input
  const subject = firstHeader(input.content, 'subject')
  const messageId = firstHeader(input.content, 'message-id')
  return [
    'About your message:',
    ...(subject === null || subject === '' ? [] : wrap(`Subject: ${oneLine(decodeWords(subject))}`, '  ')),
    ...(messageId === null ? [] : [`  Message-ID: ${oneLine(messageId)}`]),
    `  Received here: ${formatDate(envelope.receivedAt)}, queued as ${envelope.id}`,
    `  Size: ${envelope.sizeBytes} bytes`,
    ...(input.kind === 'delayed' && input.willRetryUntil !== undefined
      ? [`  We keep trying until: ${formatDate(input.willRetryUntil)}`]
      : []),
    '',
  ]
}

const transcriptLines = (input: NoticeInput): string[] => {
  const hosts = [...new Set(input.results.map((result) => result.host).filter((host) => host !== null))]
  if (input.transcript.length === 0) return ['There was no conversation with another mail system.']
  const whom = hosts.length === 0 ? 'the other side' : oneLine(hosts.join(', '))
  return [
    `The last conversation with ${whom} about this message,`,
    'S: what the other side said, C: what we said, #: our notes:',
    '',
    ...redactTranscript(input.transcript).map(oneLine),
  ]
}

/** The text with CRLF line ends; UTF-8, to be encoded by the caller. */
export const textPart = (input: NoticeInput): string => {
  const whom = input.results.length === 1 ? 'the address' : `the ${input.results.length} addresses`
  const lines = [
    ...wrap(`This is the mail system at ${oneLine(input.hostname)}.`),
    '',
    ...wrap(OPENING[input.kind](whom)),
    '',
    ...recipientSections(input),
    ...detailLines(input),
    ...transcriptLines(input),
  ]
  return `${lines.join('\r\n')}\r\n`
}
