/**
 * The header of a message as bytes, RFC 5322 §2.2: where it ends, its fields, adding and removing some. Nothing here changes a
 * byte that it was not asked to change, and everything runs in linear time on hostile input. Content lines end with CRLF.
 */

export type HeaderField = {
  /** In lower case; '' for a line that is no field. */
  name: string
  /** Unfolded and trimmed, decoded as UTF-8. */
  value: string
  /** Where the field begins and ends in the header's bytes; its CRLF is inside. */
  start: number
  end: number
}

const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a
const BLANK_LINE = Buffer.from('\r\n\r\n')

/**
 * Where the body begins in a buffer that may still grow: the offset behind the blank line; -1 while there is none.
 *
 * @param searched bytes that an earlier call has seen already; they are not searched again
 */
export const findHeaderEnd = (content: Buffer, searched = 0): number => {
  if (content.length >= 2 && content[0] === CR && content[1] === LF) return 2
  const at = content.indexOf(BLANK_LINE, Math.max(0, searched - 3))
  return at === -1 ? -1 : at + 4
}

/** Header and body of a whole message; a message without a blank line is all header. The parts share the content's memory. */
export const splitContent = (content: Buffer): { header: Buffer; body: Buffer } => {
  const end = findHeaderEnd(content)
  return end === -1
    ? { header: content, body: content.subarray(content.length) }
    : { header: content.subarray(0, end), body: content.subarray(end) }
}

const isFolded = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x09

const endOfField = (header: Buffer, start: number): number => {
  let end = start
  do {
    const newline = header.indexOf(LF, end)
    if (newline === -1) return header.length
    end = newline + 1
  } while (isFolded(header[end]))
  return end
}

const readField = (header: Buffer, start: number, end: number): HeaderField => {
  const colon = header.subarray(start, end).indexOf(COLON)
  const name = colon === -1 ? '' : header.toString('latin1', start, start + colon).trimEnd()
  if (!/^[!-9;-~]+$/.test(name)) return { name: '', value: header.toString('utf8', start, end).trim(), start, end }
  const value = header.toString('utf8', start + colon + 1, end).replace(/[\r\n]/g, '')
  return { name: name.toLowerCase(), value: value.trim(), start, end }
}

/** The fields in their order, up to the blank line. */
export function* headerFields(header: Buffer): Generator<HeaderField> {
  let start = 0
  while (start < header.length) {
    if (header[start] === LF || (header[start] === CR && header[start + 1] === LF)) return
    const end = endOfField(header, start)
    yield readField(header, start, end)
    start = end
  }
}

/** The value of the first field of that name, in any case; null when there is none. */
export const firstHeader = (header: Buffer, name: string): string | null => {
  const wanted = name.toLowerCase()
  for (const field of headerFields(header)) if (field.name === wanted) return field.value
  return null
}

export const countHeaders = (header: Buffer, name: string): number => {
  const wanted = name.toLowerCase()
  let count = 0
  for (const field of headerFields(header)) if (field.name === wanted) count++
  return count
}

/** R-limits: how many hosts the message has passed. */
export const countReceived = (header: Buffer): number => countHeaders(header, 'received')

/** The header without the fields of these names; every other byte as it was. */
export const removeHeaders = (header: Buffer, names: readonly string[]): Buffer => {
  const unwanted = new Set(names.map((name) => name.toLowerCase()))
  const kept: Buffer[] = []
  let from = 0
  for (const field of headerFields(header)) {
    if (!unwanted.has(field.name)) continue
    if (field.start > from) kept.push(header.subarray(from, field.start))
    from = field.end
  }
  if (from === 0) return header
  kept.push(header.subarray(from))
  return Buffer.concat(kept)
}

/** A byte beyond ASCII: 8-bit content in a body, UTF-8 (RFC 6532) in a header. */
export const hasEightBit = (bytes: Buffer): boolean => {
  for (let i = 0; i < bytes.length; i++) if (bytes[i]! > 0x7f) return true
  return false
}
