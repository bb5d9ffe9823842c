/**
 * What the scripted far end says to whom: the local part of an address names the outcome, up to a `+`, so that
 * `reject+1@example.test` and `reject+2@example.test` are two recipients with one fate. The list is in far-end.ts.
 */

/** `drop`: destroy the connection; `silence`: never answer; `close`: answer, then close. */
export type Step = { reply?: string; afterwards?: 'drop' | 'silence' | 'close'; delayMs?: number }

const NAMED_MAIL: Record<string, Step> = {
  'reject-mail': { reply: '550 5.7.1 sender refused' },
  'tempfail-mail': { reply: '451 4.7.1 sender not welcome now' },
  '421-at-mail': { reply: '421 4.3.2 closing', afterwards: 'close' },
  'disconnect-at-mail': { afterwards: 'drop' },
  'never-answer-mail': { afterwards: 'silence' },
}

const NAMED_RCPT: Record<string, Step> = {
  tempfail: { reply: '450 4.2.1 mailbox busy' },
  reject: { reply: '550 5.1.1 no such user' },
  toomany: { reply: '452 4.5.3 too many recipients' },
  full: { reply: '452 4.2.2 mailbox full' },
  'full-552': { reply: '552 5.2.2 mailbox full' },
  'bad-sequence': { reply: '503 5.5.1 MAIL first' },
  nonsense: { reply: 'what would you like?' },
  multiline: { reply: '550-5.1.1 no such user,\r\n550 5.1.1 really not' },
  '421-at-rcpt': { reply: '421 4.3.2 closing', afterwards: 'close' },
  'disconnect-at-rcpt': { afterwards: 'drop' },
  'never-answer-rcpt': { afterwards: 'silence' },
}

const NAMED_DATA: Record<string, Step> = {
  'refuse-data': { reply: '554 5.7.1 no data from you' },
  'tempfail-at-data': { reply: '451 4.3.0 not now' },
  '421-at-data': { reply: '421 4.3.2 closing', afterwards: 'close' },
  'disconnect-at-data': { afterwards: 'drop' },
  'never-answer-data': { afterwards: 'silence' },
}

const NAMED_DOT: Record<string, Step> = {
  'reject-data': { reply: '554 5.6.0 content refused' },
  'tempfail-data': { reply: '451 4.3.0 try again later' },
  'full-data': { reply: '452 4.2.2 mailbox full' },
  'nonsense-data': { reply: 'thanks' },
  'disconnect-after-dot': { afterwards: 'drop' },
  'never-answer': { afterwards: 'silence' },
}

const localPart = (address: string): string => {
  const at = address.lastIndexOf('@')
  return (at < 0 ? address : address.slice(0, at)).split('+')[0] ?? ''
}

const OK = { reply: '250 2.1.5 ok' }

export const atMail = (from: string): Step => NAMED_MAIL[localPart(from)] ?? { reply: '250 2.1.0 ok' }

/** `tempfail-once@`, `tempfail-3@`: refused so many times per full address, then taken. */
export const atRcpt = (address: string, seen: Map<string, number>): Step => {
  const local = localPart(address)
  const times = local === 'tempfail-once' ? 1 : Number(/^tempfail-(\d+)$/.exec(local)?.[1] ?? 0)
  if (times > 0) {
    const before = seen.get(address) ?? 0
    seen.set(address, before + 1)
    return before < times ? { reply: '450 4.2.1 not this time' } : OK
  }
  return NAMED_RCPT[local] ?? OK
}

export const atData = (recipients: string[]): Step =>
  recipients.map((address) => NAMED_DATA[localPart(address)]).find((step) => step !== undefined) ?? { reply: '354 go ahead' }

/** `disconnect-in-data@`: the connection is destroyed while the content comes in. */
export const dropsInData = (recipients: string[]): boolean =>
  recipients.some((address) => localPart(address) === 'disconnect-in-data')

/** The reply to the final dot, for SMTP of all recipients together, for LMTP of each. `null`: taken. */
export const atDot = (recipients: string[], seen: Map<string, number>, slowMs: number): Step | null => {
  for (const address of recipients) {
    const local = localPart(address)
    if (local === 'slow') return { delayMs: slowMs }
    if (local === 'disconnect-after-dot-once') {
      const before = seen.get(address) ?? 0
      seen.set(address, before + 1)
      if (before === 0) return { afterwards: 'drop' }
    }
    const step = NAMED_DOT[local]
    if (step !== undefined) return step
  }
  return null
}
