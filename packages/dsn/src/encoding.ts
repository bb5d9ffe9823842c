/** Bytes as seven-bit text, RFC 2045 §6 and RFC 2047: a notice must pass any host. */
import { hasEightBit } from '@sluice/smtp'

const MAX_LINE = 998
const QP_LINE = 75

/** Fits into 7bit (RFC 2045 §2.7): ASCII, no NUL, no bare CR or LF, no line beyond 998 octets. */
export const isSevenBit = (bytes: Buffer): boolean => {
  if (hasEightBit(bytes) || bytes.includes(0)) return false
  let start = 0
  while (start < bytes.length) {
    const cr = bytes.indexOf(0x0d, start)
    const end = cr === -1 ? bytes.length : cr
    if (end - start > MAX_LINE || bytes.subarray(start, end).includes(0x0a)) return false
    if (cr !== -1 && bytes[cr + 1] !== 0x0a) return false
    start = end + 2
  }
  return true
}

const isPlain = (byte: number): boolean => (byte >= 0x21 && byte <= 0x7e && byte !== 0x3d) || byte === 0x20 || byte === 0x09

const HEX = '0123456789ABCDEF'
const escapeByte = (byte: number): string => `=${HEX[byte >> 4]}${HEX[byte & 15]}`

/** RFC 2045 §6.7; CRLF stays a line break, every other control byte is encoded. Linear time. */
export const quotedPrintable = (bytes: Buffer): string => {
  const lines: string[] = []
  let line = ''
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    if (byte === 0x0d && bytes[i + 1] === 0x0a) {
      lines.push(line)
      line = ''
      i++
      continue
    }
    const atEnd = i + 1 === bytes.length || (bytes[i + 1] === 0x0d && bytes[i + 2] === 0x0a)
    const isBlank = byte === 0x20 || byte === 0x09
    const piece = isPlain(byte) && !(isBlank && atEnd) ? String.fromCharCode(byte) : escapeByte(byte)
    if (line.length + piece.length > QP_LINE) {
      lines.push(`${line}=`)
      line = ''
    }
    line += piece
  }
  lines.push(line)
  return lines.join('\r\n')
}

export type Encoded = { encoding: '7bit' | 'quoted-printable'; text: string }

/** As it is when it fits into 7bit, else quoted-printable. */
export const encodeBytes = (bytes: Buffer): Encoded =>
  isSevenBit(bytes)
    ? { encoding: '7bit', text: bytes.toString('latin1') }
    : { encoding: 'quoted-printable', text: quotedPrintable(bytes) }

/** RFC 2047 §2: an encoded word has at most 75 characters; pieces are cut between characters. */
export const encodeWords = (text: string): string => {
  if (!hasEightBit(Buffer.from(text))) return text
  const words: string[] = []
  let piece = ''
  for (const character of text) {
    if (Buffer.byteLength(piece + character) > 42) {
      words.push(piece)
      piece = ''
    }
    piece += character
  }
  words.push(piece)
  return words.map((word) => `=?UTF-8?B?${Buffer.from(word).toString('base64')}?=`).join(' ')
}

const ENCODED_WORD = /=\?([A-Za-z0-9_.:+-]{1,40})(?:\*[A-Za-z0-9-]{1,20})?\?([BbQq])\?([!->@-~]*)\?=/g

const decodeWord = (word: string, charset: string, encoding: string, text: string): string => {
  const bytes =
    encoding.toUpperCase() === 'B'
      ? Buffer.from(text, 'base64')
      : Buffer.from(
          text
            .replaceAll('_', ' ')
            .replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
          'latin1',
        )
  try {
    return new TextDecoder(charset).decode(bytes)
  } catch {
    return word
  }
}

/** A header's value for people to read, RFC 2047 §6.2; words in a character set that nobody knows stay encoded. */
export const decodeWords = (value: string): string => value.replace(/\?=\s+=\?/g, '?==?').replace(ENCODED_WORD, decodeWord)
