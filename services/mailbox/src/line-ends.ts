/** CRLF of the wire into the LF that Maildir readers expect. A CR that stands alone stays; linear time, state across pieces. */

export type LineEnds = { push: (piece: Buffer) => Buffer; end: () => Buffer }

const CR = 0x0d
const LF = 0x0a

export const createLineEnds = (): LineEnds => {
  let heldCr = false
  return {
    push: (piece) => {
      if (piece.length === 0) return piece
      const out = Buffer.allocUnsafe(piece.length + 1)
      let length = 0
      if (heldCr && piece[0] !== LF) out[length++] = CR
      heldCr = piece[piece.length - 1] === CR
      const end = heldCr ? piece.length - 1 : piece.length
      let at = 0
      for (let cr = piece.indexOf(CR); cr !== -1 && cr < end; cr = piece.indexOf(CR, cr + 1)) {
        if (piece[cr + 1] !== LF) continue
        length += piece.copy(out, length, at, cr)
        at = cr + 1
      }
      length += piece.copy(out, length, at, end)
      return out.subarray(0, length)
    },
    end: () => {
      const rest = heldCr ? Buffer.from([CR]) : Buffer.alloc(0)
      heldCr = false
      return rest
    },
  }
}
