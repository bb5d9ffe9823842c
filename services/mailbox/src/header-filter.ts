/**
 * Looks at a message's header while it streams through: drops Return-Path fields (RFC 5321 §4.4: the final delivery sets the
 * only one) and collects Delivered-To for the loop check. Lines keep their ends; the body passes untouched.
 */

export type HeaderFilter = {
  /** @returns what goes on; may be empty while a line is incomplete */
  push: (piece: Buffer) => Buffer
  /** What was still held at the end of the message. */
  end: () => Buffer
  /** Values of Delivered-To seen so far, unfolded. */
  deliveredTo: () => string[]
  /** The header has ended. */
  inBody: () => boolean
}

/** A header line beyond this is no header line (RFC 5322 §2.1.1 allows 998 octets): the rest passes untouched. */
const MAX_LINE = 65_536
/** What is longer is no address of ours, however it goes on: thousands of folded lines are not put together. */
const MAX_ADDRESS = 254
const EMPTY = Buffer.alloc(0)

type State = { held: Buffer; inBody: boolean; field: string; deliveredTo: string[] }

const isEmptyLine = (line: Buffer): boolean => line.length <= 2 && line.toString('latin1').trim() === ''

/** @returns whether the line goes on */
const takeLine = (state: State, line: Buffer): boolean => {
  if (isEmptyLine(line)) {
    state.inBody = true
    return true
  }
  const text = line.toString('utf8')
  const folded = text.startsWith(' ') || text.startsWith('\t')
  if (!folded)
    state.field = text
      .slice(0, Math.max(0, text.indexOf(':')))
      .trim()
      .toLowerCase()
  if (state.field === 'delivered-to') {
    const last = folded ? (state.deliveredTo.pop() ?? '') : ''
    if (folded) state.deliveredTo.push(last.length > MAX_ADDRESS ? last : `${last} ${text.trim()}`.trim())
    else state.deliveredTo.push(text.slice(text.indexOf(':') + 1).trim())
  }
  return state.field !== 'return-path'
}

const push = (state: State, piece: Buffer): Buffer => {
  if (state.inBody) return piece
  const data = state.held.length === 0 ? piece : Buffer.concat([state.held, piece])
  state.held = EMPTY
  const out: Buffer[] = []
  let at = 0
  while (!state.inBody) {
    const end = data.indexOf(0x0a, at)
    if (end === -1) break
    const line = data.subarray(at, end + 1)
    if (takeLine(state, line)) out.push(line)
    at = end + 1
  }
  const rest = data.subarray(at)
  if (rest.length > MAX_LINE) state.inBody = true
  if (state.inBody) out.push(rest)
  else state.held = rest
  return out.length === 1 ? out[0]! : Buffer.concat(out)
}

export const createHeaderFilter = (): HeaderFilter => {
  const state: State = { held: EMPTY, inBody: false, field: '', deliveredTo: [] }
  return {
    push: (piece) => push(state, piece),
    end: () => {
      const rest = state.held
      state.held = EMPTY
      return rest.length > 0 && takeLine(state, rest) ? rest : EMPTY
    },
    deliveredTo: () => state.deliveredTo,
    inBody: () => state.inBody,
  }
}
