/** Writing header fields: what comes from outside can neither end a line nor a comment, and no line grows beyond its limits. */

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

const two = (value: number): string => String(value).padStart(2, '0')

/**
 * RFC 5322 §3.3 date-time in UTC: `Sun, 22 Nov 2026 12:00:00 +0000`.
 *
 * @param at ms since the epoch
 */
export const formatDate = (at: number): string => {
  const d = new Date(at)
  const day = `${DAYS[d.getUTCDay()]}, ${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]} ${d.getUTCFullYear()}`
  return `${day} ${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())} +0000`
}

/** Text from outside on one line: every control character and line separator becomes a space. */
export const oneLine = (text: string): string => text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')

/** Text from outside in a header, ASCII only: what is not printable becomes `?`, so that nothing can end the line. */
export const quoteHeaderValue = (text: string): string => oneLine(text).replace(/[^\x20-\x7e]/gu, '?')

/** Text from outside inside a header comment: parentheses and backslashes escaped (RFC 5322 §3.2.2). */
export const quoteComment = (text: string): string => quoteHeaderValue(text).replace(/[()\\]/g, '\\$&')

/** RFC 5322 §2.1.1 asks for 78 characters and forbids more than 998. */
const FOLD_AT = 78
const LINE_LIMIT = 990

const hardSplit = (word: string): string[] => {
  if (Buffer.byteLength(word) <= LINE_LIMIT) return [word]
  const parts: string[] = []
  const points = [...word]
  for (let i = 0; i < points.length; i += LINE_LIMIT / 4) parts.push(points.slice(i, i + LINE_LIMIT / 4).join(''))
  return parts
}

/**
 * A whole field, folded at spaces, with its CRLF. Line ends and control characters in the value become spaces; UTF-8 stays as it
 * is (use quoteHeaderValue for hosts without SMTPUTF8).
 */
export const formatHeader = (name: string, value: string): string => {
  const words = oneLine(value).trim().split(/ +/).flatMap(hardSplit)
  const lines: string[] = []
  let line = `${name}:`
  let filled = false
  for (const word of words) {
    if (filled && line.length + 1 + word.length > FOLD_AT) {
      lines.push(line)
      line = ''
    }
    line += ` ${word}`
    filled = true
  }
  return `${[...lines, line].join('\r\n')}\r\n`
}
