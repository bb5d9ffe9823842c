/**
 * R-trace-headers: the Received field, RFC 5321 §4.4, and what submissions of own networks and users get added (RFC 6409 §8).
 * Mail of others gets its Received and is otherwise left as it came.
 */
import { formatDate, needsUtf8, parseDomain } from '@sluice/smtp'
import { type Field, fieldText } from './headers.ts'

export type Arrival = {
  helo: string
  /** IP address of the client */
  ip: string
  hostname: string
  esmtp: boolean
  /** SMTPUTF8 was asked for this message (RFC 6531 §4.3). */
  utf8: boolean
  tls: { version: string; cipher: string } | null
  authenticated: boolean
  id: string
  /** The only recipient; null when there are more, so that nobody learns of the others, and for an alias in UTF-8 of a name in ASCII. */
  recipient: string | null
  /** ms since the epoch */
  receivedAt: number
}

/** RFC 3848 and RFC 6531 §4.3: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA, UTF8SMTP, UTF8SMTPS … */
export const protocolOf = ({ esmtp, utf8, tls, authenticated }: Arrival): string => {
  if (!esmtp) return 'SMTP'
  return `${utf8 ? 'UTF8SMTP' : 'ESMTP'}${tls === null ? '' : 'S'}${authenticated ? 'A' : ''}`
}

/** Who handed a message in, for `sluice trace`: `192.0.2.1 (helo mx.example.org) ESMTPS`. */
export const clientOf = (arrival: Arrival): string => `${arrival.ip} (helo ${arrival.helo}) ${protocolOf(arrival)}`

/** R-utf8: a name in UTF-8, which comes before SMTPUTF8 was spoken of, must not make the header more than ASCII. */
const asciiName = (helo: string): string =>
  needsUtf8(helo) ? (parseDomain(helo, { utf8: true }) ?? helo.replace(/[^\x20-\x7e]/gu, '?')) : helo

export const receivedField = (arrival: Arrival): string => {
  const literal = arrival.ip.includes(':') ? `[IPv6:${arrival.ip}]` : `[${arrival.ip}]`
  const tls = arrival.tls === null ? '' : `\r\n\t(${arrival.tls.version} ${arrival.tls.cipher})`
  const recipient = arrival.recipient === null ? '' : `\r\n\tfor <${arrival.recipient}>`
  return (
    `Received: from ${asciiName(arrival.helo)} (${literal})\r\n` +
    `\tby ${arrival.hostname} with ${protocolOf(arrival)}${tls}\r\n` +
    `\tid ${arrival.id}${recipient};\r\n\t${formatDate(arrival.receivedAt)}\r\n`
  )
}

/** Date, Message-ID and From where a submission lacks them. */
export const missingFields = (fields: readonly Field[], arrival: Arrival, from: string): string => {
  const has = (name: string): boolean => fields.some((field) => field.name === name)
  const sender = from === '' ? `MAILER-DAEMON@${arrival.hostname}` : from
  return (
    (has('date') ? '' : `Date: ${formatDate(arrival.receivedAt)}\r\n`) +
    (has('from') ? '' : `From: <${sender}>\r\n`) +
    (has('message-id') ? '' : `Message-ID: <${arrival.id}@${arrival.hostname}>\r\n`)
  )
}

const isBlind = (field: Field): boolean => field.name === 'bcc' || field.name === 'resent-bcc'

/** The header without Bcc and Resent-Bcc, and all that follows it in `head`, as pieces of `head`. */
export const withoutBlindCopies = (head: Buffer, fields: readonly Field[]): Buffer[] => {
  const pieces: Buffer[] = []
  let from = 0
  for (const field of fields) {
    if (!isBlind(field)) continue
    if (field.start > from) pieces.push(head.subarray(from, field.start))
    from = field.end
  }
  if (from < head.length) pieces.push(head.subarray(from))
  return pieces
}

/** Message-ID as it stands, for the log; at most 200 characters. */
export const messageIdOf = (head: Buffer, fields: readonly Field[]): string | null => {
  const field = fields.find(({ name }) => name === 'message-id')
  return field === undefined ? null : fieldText(head, field, 200)
}
