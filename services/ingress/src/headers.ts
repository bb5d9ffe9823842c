/**
 * Reads a message's header, RFC 5322 §2.2, as far as receiving needs it: where the fields are, and where the header ends.
 * Nothing is judged: what is no header field ends the header, so that any content can be taken as it came.
 */
export type Field = {
  /** In lower case. */
  name: string
  /** Offsets of the whole field, folded lines and the final CRLF included. */
  start: number
  end: number
}

export type HeaderScanner = {
  /**
   * Goes on where it stopped.
   * @param head all that has come so far, from the first byte
   * @param final nothing more will come
   * @returns whether the end of the header has been found
   */
  scan: (head: Buffer, final: boolean) => boolean
  fields: Field[]
  /** Where the header ends: at the empty line, or at the first line that is no field. */
  endsAt: () => number
}

const CRLF = Buffer.from('\r\n')
const TAB = 0x09
const SPACE = 0x20
const COLON = 0x3a

/** The field's name in lower case, or null when the line is none. RFC 5322 §4.5 lets white space stand before the colon. */
const nameOf = (head: Buffer, start: number, end: number): string | null => {
  let at = start
  while (at < end && head[at]! > SPACE && head[at]! < 0x7f && head[at]! !== COLON) at++
  if (at === start) return null
  const name = head.toString('latin1', start, at).toLowerCase()
  while (at < end && (head[at] === SPACE || head[at] === TAB)) at++
  return at < end && head[at] === COLON ? name : null
}

export const createHeaderScanner = (): HeaderScanner => {
  const fields: Field[] = []
  let at = 0
  /** Up to here there is no further line end: a line that comes in many small pieces is not searched again and again. */
  let searched = 0
  const scan = (head: Buffer, final: boolean): boolean => {
    for (;;) {
      const lineEnd = head.indexOf(CRLF, Math.max(at, searched))
      if (lineEnd === -1) {
        searched = Math.max(0, head.length - 1)
        return final
      }
      if (lineEnd === at) return true
      const last = fields.at(-1)
      if (head[at] === SPACE || head[at] === TAB) {
        if (last === undefined) return true
        last.end = lineEnd + 2
      } else {
        const name = nameOf(head, at, lineEnd)
        if (name === null) return true
        fields.push({ name, start: at, end: lineEnd + 2 })
      }
      at = lineEnd + 2
    }
  }
  return { scan, fields, endsAt: () => at }
}

/** The field's text behind the colon, unfolded, at most `max` characters. */
export const fieldText = (head: Buffer, field: Field, max: number): string => {
  const text = head.toString('utf8', field.start, Math.min(field.end, field.start + max * 4))
  return text
    .slice(text.indexOf(':') + 1)
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, max)
}
