/**
 * MAIL and RCPT of one message for one far end: what it offers decides the parameters. Where it cannot carry the message at all,
 * nothing is sent and the answer says why (R-utf8, R-8bit, and the SIZE part of R-outcome).
 */
import { domainToASCII } from 'node:url'
import type { Recipient, Task } from '@sluice/contracts'
import { encodeXtext, formatOrcpt, needsUtf8 } from '@sluice/smtp'

/** What a connection offers. */
export type Offer = { offers: (extension: string) => boolean; sizeLimitBytes: number | null }

export type Unfit = { kind: 'too-large'; sizeBytes: number; limitBytes: number } | { kind: 'needs-utf8' } | { kind: 'needs-8bit' }

/** No U-label leaves this host: domains are sent as A-labels, local parts as they stand. */
const wireAddress = (address: string): string => {
  if (!needsUtf8(address)) return address
  const at = address.lastIndexOf('@')
  const domain = domainToASCII(address.slice(at + 1))
  return at < 0 || domain === '' ? address : `${address.slice(0, at + 1)}${domain}`
}

const isUtf8 = (task: Task, recipients: readonly Recipient[]): boolean =>
  task.utf8 || needsUtf8(wireAddress(task.from)) || recipients.some(({ address }) => needsUtf8(wireAddress(address)))

/** @returns why the far end cannot take this message for these recipients; null when it can */
export const unfitFor = (task: Task, recipients: readonly Recipient[], offer: Offer): Unfit | null => {
  if (offer.sizeLimitBytes !== null && task.sizeBytes > offer.sizeLimitBytes) {
    return { kind: 'too-large', sizeBytes: task.sizeBytes, limitBytes: offer.sizeLimitBytes }
  }
  if (!offer.offers('SMTPUTF8') && isUtf8(task, recipients)) return { kind: 'needs-utf8' }
  if (!offer.offers('8BITMIME') && task.body === '8bit') return { kind: 'needs-8bit' }
  return null
}

/** RFC 1870, 6152, 6531 and 3461 §4.3, 4.4. */
export const mailCommand = (task: Task, recipients: readonly Recipient[], offer: Offer): string => {
  let command = `MAIL FROM:<${wireAddress(task.from)}>`
  if (offer.offers('SIZE')) command += ` SIZE=${task.sizeBytes}`
  if (task.body === '8bit' && offer.offers('8BITMIME')) command += ' BODY=8BITMIME'
  if (offer.offers('SMTPUTF8') && isUtf8(task, recipients)) command += ' SMTPUTF8'
  if (!offer.offers('DSN')) return command
  if (task.ret !== undefined) command += ` RET=${task.ret}`
  return task.envid === undefined ? command : `${command} ENVID=${encodeXtext(task.envid)}`
}

/** ORCPT as the sender gave it; else the name that an alias led away from, as RFC 3461 §5.2.1 (d) allows: mailboxes show it. */
const originalOf = ({ orcpt, original }: Recipient): string | undefined =>
  orcpt ?? (original === undefined ? undefined : `rfc822;${original}`)

/** RFC 3461 §4.1, 4.2: each recipient has its own (R-dsn-pass). */
export const rcptCommand = (recipient: Recipient, offer: Offer): string => {
  let command = `RCPT TO:<${wireAddress(recipient.address)}>`
  if (!offer.offers('DSN')) return command
  if (recipient.notify !== undefined && recipient.notify.length > 0) command += ` NOTIFY=${recipient.notify.join(',')}`
  const original = originalOf(recipient)
  return original === undefined ? command : `${command} ORCPT=${formatOrcpt(original)}`
}
