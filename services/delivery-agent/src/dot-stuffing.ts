/**
 * Content on its way into DATA, RFC 5321 §4.5.2: every line that begins with a dot gets one more (R-dots). Works on Buffers, in
 * linear time, and hands a piece that needs nothing on as it is.
 */
const DOT = 0x2e
const LF = 0x0a
const CR = 0x0d
const LINE_DOT = Buffer.from('\n.')

export type Stuffer = {
  /** The next piece of content as it goes onto the wire. */
  push: (piece: Buffer) => Buffer
  /** What ends the content: a line end, where it has none, and the final dot. */
  end: () => string
}

const findDots = (piece: Buffer, atLineStart: boolean): number[] => {
  const dots = atLineStart && piece[0] === DOT ? [0] : []
  for (let at = piece.indexOf(LINE_DOT); at >= 0; at = piece.indexOf(LINE_DOT, at + 1)) dots.push(at + 1)
  return dots
}

export const createStuffer = (): Stuffer => {
  let last = LF
  let beforeLast = CR
  return {
    push: (piece) => {
      if (piece.length === 0) return piece
      const dots = findDots(piece, last === LF)
      beforeLast = piece.length > 1 ? piece[piece.length - 2]! : last
      last = piece[piece.length - 1]!
      if (dots.length === 0) return piece
      const stuffed = Buffer.allocUnsafe(piece.length + dots.length)
      let from = 0
      let to = 0
      for (const dot of dots) {
        to += piece.copy(stuffed, to, from, dot)
        stuffed[to++] = DOT
        from = dot
      }
      piece.copy(stuffed, to, from)
      return stuffed
    },
    end: () => (last === LF && beforeLast === CR ? '.\r\n' : '\r\n.\r\n'),
  }
}
