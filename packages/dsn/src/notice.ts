/**
 * Notices (RFC 3461, 3464, 6522, 6533): multipart/report with exactly three parts, for the sender of the message only, from the
 * null reverse-path. Pure: the same input makes the same bytes, so that a notice built again after a crash is the same notice.
 * Every line has at most 998 octets and seven bits, but for the header of a notice to a UTF-8 address.
 */
import { createHash } from 'node:crypto'
import { PAYLOAD_VERSION } from '@sluice/contracts'
import { firstHeader, formatDate, formatHeader, needsUtf8, oneLine } from '@sluice/smtp'
import { encodeBytes, encodeWords } from './encoding.ts'
import { noticeId } from './notice-id.ts'
import { returnedPart } from './returned-part.ts'
import { statusPart } from './status-part.ts'
import { textPart } from './text-part.ts'
import type { Notice, NoticeInput } from './types.ts'
import { SUBJECT } from './words.ts'

const part = (type: string, encoding: string, description: string, body: string): string =>
  [
    `Content-Type: ${type}\r\n`,
    `Content-Transfer-Encoding: ${encoding}\r\n`,
    `Content-Description: ${description}\r\n`,
    '\r\n',
    body,
    body.endsWith('\r\n') ? '' : '\r\n',
  ].join('')

const threeParts = (input: NoticeInput): string[] => {
  const text = encodeBytes(Buffer.from(textPart(input)))
  const status = statusPart(input)
  const statusBytes = encodeBytes(Buffer.from(status.body))
  const returned = returnedPart(input)
  const words = returned.type.endsWith('headers') ? "Your message's headers" : 'Your message'
  return [
    part('text/plain; charset=utf-8', text.encoding, 'What happened', text.text),
    part(status.type, statusBytes.encoding, 'Delivery report', statusBytes.text),
    part(returned.type, returned.encoded.encoding, words, returned.encoded.text),
  ]
}

/** A boundary that stands in none of the parts. */
const findBoundary = (id: string, parts: readonly string[]): string => {
  for (let n = 0; ; n++) {
    const boundary = `sluice_${createHash('sha256').update(`${id} ${n}`).digest('hex').slice(0, 24)}`
    if (!parts.some((text) => text.includes(boundary))) return boundary
  }
}

const subjectOf = (input: NoticeInput): string => {
  const { recipient } = input.results[0]!
  const rest = input.results.length - 1
  const others = rest === 0 ? '' : ` and ${rest} ${rest === 1 ? 'other' : 'others'}`
  return encodeWords(oneLine(`${SUBJECT[input.kind]} ${recipient.original ?? recipient.address}${others}`))
}

/** RFC 3834 §3.1.6: a reply refers to what it answers. */
const referenceFields = (input: NoticeInput): string => {
  const messageId = firstHeader(input.content, 'message-id') ?? ''
  if (messageId.length > 900 || !/^<[!-;=?-~]+@[!-;=?-~]+>$/.test(messageId)) return ''
  return `In-Reply-To: ${messageId}\r\nReferences: ${messageId}\r\n`
}

const headerOf = (input: NoticeInput, id: string, boundary: string): string =>
  [
    formatHeader('From', `Mail Delivery System <MAILER-DAEMON@${input.hostname}>`),
    `To: <${oneLine(input.envelope.from)}>\r\n`,
    formatHeader('Subject', subjectOf(input)),
    formatHeader('Date', formatDate(input.now)),
    formatHeader('Message-ID', `<${id}@${input.hostname}>`),
    referenceFields(input),
    formatHeader('Auto-Submitted', 'auto-replied'),
    formatHeader('MIME-Version', '1.0'),
    formatHeader('Content-Type', `multipart/report; report-type=delivery-status; boundary="${boundary}"`),
  ].join('')

/**
 * The notice for `results`, ready to be admitted. Throws when the message's reverse-path is null (R-double): whoHears never plans
 * such a notice, so asking for one is a fault of ours.
 */
export const buildNotice = (input: NoticeInput): Notice => {
  const { envelope } = input
  if (envelope.from === '' || input.results.length === 0) throw new Error('a notice needs a reverse-path and a recipient')
  const addresses = input.results.map((result) => result.recipient.address)
  const utf8 = needsUtf8(envelope.from)
  const id = noticeId(envelope.id, input.kind, addresses)
  const parts = threeParts(input)
  const boundary = findBoundary(id, parts)
  const body = parts.map((text) => `--${boundary}\r\n${text}\r\n`).join('')
  const preamble = 'This is a report in three parts; a mail program shows them one by one.\r\n\r\n'
  const content = Buffer.from(`${headerOf(input, id, boundary)}\r\n${preamble}${body}--${boundary}--\r\n`)
  return {
    envelope: {
      v: PAYLOAD_VERSION,
      id,
      from: '',
      to: [{ address: envelope.from }],
      sizeBytes: content.length,
      body: utf8 ? '8bit' : '7bit',
      utf8,
      receivedAt: input.now,
      notice: true,
      ...(envelope.trace === undefined ? {} : { trace: envelope.trace }),
    },
    content,
  }
}
