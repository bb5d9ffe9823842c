/**
 * The encodings of RFC 3461 §4 (xtext) and RFC 6533 §3 (utf-8 address types) for ORCPT and ENVID. What decodes is printable:
 * an encoded line end is refused, so that nothing decoded here can break a header or a command line.
 */
import { needsUtf8 } from './mailbox.ts'

const PRINTABLE = /^[\x20-\x7e]*$/
const PRINTABLE_WIDE = /^[\x20-\x7e\u{a0}-\u{2027}\u{202a}-\u{d7ff}\u{e000}-\u{fffc}\u{10000}-\u{10ffff}]*$/u

/** Printable ASCII into xtext: everything outside 33–126, `+` and `=` become `+HH`. Bytes beyond ASCII are encoded as UTF-8 bytes. */
export const encodeXtext = (text: string): string => {
  let encoded = ''
  for (const byte of Buffer.from(text)) {
    const plain = byte > 0x20 && byte < 0x7f && byte !== 0x2b && byte !== 0x3d
    encoded += plain ? String.fromCharCode(byte) : `+${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}

/** xtext into printable ASCII; null when it is no xtext or holds anything else. */
export const decodeXtext = (text: string): string | null => {
  if (!/^(?:[\x21-\x2a\x2c-\x3c\x3e-\x7e]|\+[0-9A-Fa-f]{2})*$/.test(text)) return null
  const decoded = text.replace(/\+([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return PRINTABLE.test(decoded) ? decoded : null
}

const decodeUnicode = (text: string): string | null => {
  const code = /^(?:[\x21-\x2a\x2c-\x3c\x3e-\x5b\x5d-\x7e]|[\u{80}-\u{10ffff}]|\\x\{[0-9A-Fa-f]{2,6}\})*$/u
  if (!code.test(text)) return null
  const decoded = text.replace(/\\x\{([0-9A-Fa-f]{2,6})\}/g, (_, hex: string) => {
    const point = Number.parseInt(hex, 16)
    return point > 0x10ffff ? '\0' : String.fromCodePoint(point)
  })
  return PRINTABLE_WIDE.test(decoded) ? decoded : null
}

/**
 * ORCPT as received, `rfc822;user+2Btag@example.org`, into what Recipient.orcpt keeps: type in lower case, address decoded.
 * Null when it breaks RFC 3461 §4.2 (at most 500 characters) or RFC 6533 §3.
 */
export const parseOrcpt = (text: string): string | null => {
  const match = /^([A-Za-z0-9][A-Za-z0-9-]{0,62});(.+)$/su.exec(text)
  if (match === null || text.length > 500) return null
  const type = match[1]!.toLowerCase()
  const address = type === 'utf-8' ? decodeUnicode(match[2]!) : decodeXtext(match[2]!)
  return address === null || address === '' ? null : `${type};${address}`
}

/** Recipient.orcpt as it goes into a command: ASCII only, whatever the far end offers (RFC 6533 §3, utf-8-addr-xtext). */
export const formatOrcpt = (orcpt: string): string => {
  const semicolon = orcpt.indexOf(';')
  const type = orcpt.slice(0, semicolon)
  const address = orcpt.slice(semicolon + 1)
  if (type !== 'utf-8') return needsUtf8(address) ? formatOrcpt(`utf-8;${address}`) : `${type};${encodeXtext(address)}`
  const encoded = address.replace(
    /[^\x21-\x2a\x2c-\x3c\x3e-\x5b\x5d-\x7e]/gu,
    (c) => `\\x{${c.codePointAt(0)!.toString(16).toUpperCase()}}`,
  )
  return `utf-8;${encoded}`
}
