/**
 * The content of a message as it comes over the wire, RFC 5321 §4.5.2: takes the dots away that the client put in, finds the end.
 *
 * - R-smuggle: only CRLF.CRLF ends a content. A bare CR, a bare LF or a NUL either breaks it (the caller refuses the message once
 *   it has been read to its end) or is made harmless: LF becomes CRLF, CR and NUL become a space.
 * - R-dots: exact and linear, one pass, whatever the lines look like and however the content is cut into chunks. A dot counts only
 *   after CRLF, never after a bare LF.
 *
 * While nothing needs to grow, the bytes stay in the chunk they came in: chunks given to `feed` are changed in place.
 */
export type Fed = {
  /** Content to store, dots removed. Empty once the content is broken. */
  content: Buffer
  /** What came behind the final dot; null while the content goes on. */
  rest: Buffer | null
}

export type ContentParser = {
  feed: (chunk: Buffer) => Fed
  /** A bare CR, a bare LF or a NUL was in it. */
  isBroken: () => boolean
}

const NUL = 0x00
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const DOT = 0x2e

/** Where the run of bytes that mean nothing here ends: all but control characters, of which CR, LF and NUL do. */
const endOfPlain = (chunk: Buffer, from: number): number => {
  let at = from
  while (at < chunk.length && chunk[at]! > CR) at++
  return at
}

const LINE_START = 0
const IN_LINE = 1
const AFTER_CR = 2
const AFTER_DOT = 3
const AFTER_DOT_CR = 4

/** Bare CR, bare LF and NUL break the content. */
const createStrictParser = (): ContentParser => {
  let state = LINE_START
  let broken = false
  const feed = (chunk: Buffer): Fed => {
    let written = 0
    for (let read = 0; read < chunk.length; read++) {
      if (state === IN_LINE) {
        const end = endOfPlain(chunk, read)
        if (written !== read) chunk.copyWithin(written, read, end)
        written += end - read
        read = end
        if (end === chunk.length) break
      }
      const byte = chunk[read]!
      if (state === AFTER_DOT_CR) {
        if (byte === LF) {
          return { content: broken ? chunk.subarray(0, 0) : chunk.subarray(0, written), rest: chunk.subarray(read + 1) }
        }
        broken = true
        state = IN_LINE
      } else if (state === AFTER_DOT) {
        state = byte === CR ? AFTER_DOT_CR : IN_LINE
        if (byte === CR) continue
      } else if (state === LINE_START) {
        state = byte === DOT ? AFTER_DOT : IN_LINE
        if (byte === DOT) continue
      } else if (state === AFTER_CR && byte !== LF) {
        broken = true
        state = IN_LINE
      }
      if (byte === CR) state = AFTER_CR
      else if (byte === LF) {
        if (state !== AFTER_CR) broken = true
        else state = LINE_START
      } else if (byte === NUL) broken = true
      chunk[written++] = byte
    }
    return { content: broken ? chunk.subarray(0, 0) : chunk.subarray(0, written), rest: null }
  }
  return { feed, isBroken: () => broken }
}

/** LF becomes CRLF, CR and NUL become a space; a CR is held back until it is known what follows. */
const createNormalizingParser = (): ContentParser => {
  let state = LINE_START
  const feed = (chunk: Buffer): Fed => {
    const out = Buffer.allocUnsafe(chunk.length * 2 + 2)
    let written = 0
    for (let read = 0; read < chunk.length; read++) {
      if (state === IN_LINE) {
        const end = endOfPlain(chunk, read)
        written += chunk.copy(out, written, read, end)
        read = end
        if (end === chunk.length) break
      }
      const byte = chunk[read]!
      if (state === AFTER_DOT_CR) {
        if (byte === LF) return { content: out.subarray(0, written), rest: chunk.subarray(read + 1) }
        out[written++] = SPACE
        state = IN_LINE
      } else if (state === AFTER_DOT) {
        state = byte === CR ? AFTER_DOT_CR : IN_LINE
        if (byte === CR) continue
      } else if (state === LINE_START) {
        state = byte === DOT ? AFTER_DOT : IN_LINE
        if (byte === DOT) continue
      } else if (state === AFTER_CR) {
        state = byte === LF ? LINE_START : IN_LINE
        out[written++] = byte === LF ? CR : SPACE
        if (byte === LF) out[written++] = LF
        if (byte === LF) continue
      }
      if (byte === CR) state = AFTER_CR
      else if (byte === LF) {
        out[written++] = CR
        out[written++] = LF
      } else out[written++] = byte === NUL ? SPACE : byte
    }
    return { content: out.subarray(0, written), rest: null }
  }
  return { feed, isBroken: () => false }
}

/** One parser for one message. */
export const createContentParser = (bareLineFeeds: 'reject' | 'normalize'): ContentParser =>
  bareLineFeeds === 'normalize' ? createNormalizingParser() : createStrictParser()
