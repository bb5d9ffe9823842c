/** Replies, RFC 5321 §4.2, with the enhanced codes of RFC 2034 and 3463. What cannot be understood is null, never a guess. */
import type { Reply } from '@sluice/contracts'

const LINE = /^([2-5][0-5][0-9])(?:([ -])(.*))?$/s
const ENHANCED = /^([245])\.[0-9]{1,3}\.[0-9]{1,3}(?= |$)/

const stripEnhanced = (line: string, enhanced: string | undefined): string =>
  enhanced !== undefined && (line === enhanced || line.startsWith(`${enhanced} `)) ? line.slice(enhanced.length + 1) : line

/**
 * @param lines one reply, its lines without line ends; the last one has a space (or nothing) behind its code, the others a hyphen
 * @returns null when the lines are no reply: no code, codes that differ, a line after the last
 */
export const parseReply = (lines: readonly string[]): Reply | null => {
  const parsed = lines.map((line) => LINE.exec(line.replace(/[\r\n]+$/, '')))
  const first = parsed[0]
  if (first === undefined || first === null) return null
  const last = parsed.length - 1
  for (const [i, match] of parsed.entries()) {
    if (match === null || match[1] !== first[1] || (match[2] === '-') !== i < last) return null
  }
  const text = parsed.map((match) => match?.[3] ?? '')
  const found = ENHANCED.exec(text[0]!)
  const enhanced = found !== null && found[1] === first[1]![0] ? found[0] : undefined
  const code = Number(first[1])
  const stripped = text.map((line) => stripEnhanced(line, enhanced))
  return enhanced === undefined ? { code, text: stripped } : { code, enhanced, text: stripped }
}

const printable = (line: string): string => line.replace(/\p{Cc}+/gu, ' ')

/** The lines of a reply for the wire, without line ends; the enhanced code stands in each (RFC 2034 §4). */
export const formatReply = (reply: Reply): string[] => {
  const text = reply.text.length === 0 ? [''] : reply.text
  const enhanced = reply.enhanced === undefined ? '' : `${reply.enhanced} `
  return text.map((line, i) => `${reply.code}${i < text.length - 1 ? '-' : ' '}${enhanced}${printable(line)}`.trimEnd())
}

/** Characters; a far end may send 64 KB for each recipient, and what it said is kept, logged and mailed. */
const MOST_TEXT = 2000

/** A reply on one line and in bounds, for reasons, logs and Diagnostic-Code: `550 5.1.1 no such user`. */
export const replyText = (reply: Reply): string => {
  const text = [String(reply.code), reply.enhanced ?? '', ...reply.text.map((line) => printable(line).trim())]
    .filter((part) => part !== '')
    .join(' ')
  return text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)} ...` : text
}
