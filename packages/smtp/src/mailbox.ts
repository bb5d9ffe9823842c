/**
 * Mailboxes by the grammar of RFC 5321 §4.1.2, with the UTF-8 of RFC 6531 §3.3 where the caller allows it. What parses is safe
 * to put into a command line, a header and a log: no control characters, no line ends, bounded length. Linear time.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { domainToASCII } from 'node:url'

export type Mailbox = {
  /** As it stands: case, quotes and backslashes kept. */
  local: string
  /** A-labels in lower case, or an address literal `[192.0.2.1]`, `[IPv6:2001:db8::1]`. */
  domain: string
  /** `local@domain`, as it goes into RCPT TO. */
  text: string
}

/** RFC 5321 §4.5.3.1, in octets. A path of 256 leaves 254 between its angle brackets. */
const MAX_LOCAL = 64
const MAX_DOMAIN = 255
const MAX_ADDRESS = 254

const ATEXT = "-A-Za-z0-9!#$%&'*+/=?^_`{|}~"
/** Beyond ASCII, without C1 controls, the line separators and what a decoder leaves for broken UTF-8. */
const WIDE = '\\u{a0}-\\u{2027}\\u{202a}-\\u{d7ff}\\u{e000}-\\u{fffc}\\u{10000}-\\u{10ffff}'
const QTEXT = '\\x20\\x21\\x23-\\x5b\\x5d-\\x7e'

const localPattern = (wide: string): RegExp =>
  new RegExp(`^(?:[${ATEXT}${wide}]+(?:\\.[${ATEXT}${wide}]+)*|"(?:[${QTEXT}${wide}]|\\\\[\\x20-\\x7e])*")(?=@)`, 'u')
const LOCAL_ASCII = localPattern('')
const LOCAL_UTF8 = localPattern(WIDE)

const LABELS = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/
const ASCII_ONLY = /^[\x20-\x7e]*$/

const parseLiteral = (text: string): string | null => {
  const inner = text.slice(1, -1)
  if (isIPv4(inner)) return `[${inner}]`
  const six = /^IPv6:([0-9a-f:.]+)$/i.exec(inner)?.[1]
  return six !== undefined && isIPv6(six) ? `[IPv6:${six.toLowerCase()}]` : null
}

/**
 * A domain as A-labels in lower case, or an address literal in its canonical spelling; null when the text is neither.
 * An all-numeric last label is refused: no such top-level domain can exist (RFC 3696 §2), and some resolvers take it for an address.
 *
 * @param options.utf8 take U-labels (RFC 5890)
 */
export const parseDomain = (text: string, options: { utf8: boolean }): string | null => {
  if (text.length > MAX_DOMAIN) return null
  if (text.startsWith('[')) return text.endsWith(']') ? parseLiteral(text) : null
  const wide = !ASCII_ONLY.test(text)
  if (wide && !options.utf8) return null
  const ascii = wide ? domainToASCII(text) : text.toLowerCase()
  if (ascii.length > MAX_DOMAIN || !LABELS.test(ascii)) return null
  return /(?:^|\.)[0-9]+$/.test(ascii) ? null : ascii
}

/**
 * A mailbox without angle brackets, or null when the text is none.
 *
 * @param options.utf8 take UTF-8 in the local part and U-labels in the domain
 */
export const parseMailbox = (text: string, options: { utf8: boolean }): Mailbox | null => {
  if (text.length > MAX_LOCAL + 1 + MAX_DOMAIN) return null
  const local = (options.utf8 ? LOCAL_UTF8 : LOCAL_ASCII).exec(text)?.[0]
  if (local === undefined || Buffer.byteLength(local) > MAX_LOCAL) return null
  const domain = parseDomain(text.slice(local.length + 1), options)
  if (domain === null) return null
  const mailbox = `${local}@${domain}`
  return Buffer.byteLength(mailbox) > MAX_ADDRESS ? null : { local, domain, text: mailbox }
}

/** R-duplicate: the local part as it stands, the domain without case. */
export const sameMailbox = (a: Mailbox, b: Mailbox): boolean =>
  a.local === b.local && a.domain.toLowerCase() === b.domain.toLowerCase()

/** The address can only go to a far end that offers SMTPUTF8 (RFC 6531). */
export const needsUtf8 = (address: string): boolean => !ASCII_ONLY.test(address)
