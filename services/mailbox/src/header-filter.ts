/**
 * Looks at a message's header while it streams through: drops Return-Path fields (RFC 5321 §4.4: the final delivery sets the
 * only one), collects Delivered-To for the loop check, and keeps the fields that tell the message's ID. Lines keep their ends; the body
 * passes untouched.
 */

export type HeaderFilter = {
  /** @returns what goes on; may be empty while a line is incomplete */
  push: (piece: Buffer) => Buffer
  /** What was still held at the end of the message. */
  end: () => Buffer
  /** Values of Delivered-To seen so far, unfolded. */
  deliveredTo: () => string[]
  /** The first field of this name so far, name included; null: there is none. */
  first: (name: 'received' | 'message-id') => string | null
  /** The header has ended. */
  inBody: () => boolean
}

/** A header line beyond this is no header line (RFC 5322 §2.1.1 allows 998 octets): the rest passes untouched. */
const MAX_LINE = 65_536
/** What is longer is no address of ours, however it goes on: thousands of folded lines are not put together. */
const MAX_ADDRESS = 254
/** Of a field that tells the ID, in characters: ours are shorter. */
const MAX_KEPT = 4096
const EMPTY = Buffer.alloc(0)

type State = {
  held: Buffer
  inBody: boolean
  field: string
  deliveredTo: string[]
  /** The first Received and Message-ID, as far as they are known. */
  kept: Map<string, string>
  /** The field is one that is kept. */
  isKept: boolean
}

const isEmptyLine = (line: Buffer): boolean => line.length <= 2 && line.toString('latin1').trim() === ''

/** @returns whether the line goes on */
const takeLine = (state: State, line: Buffer): boolean => {
  if (isEmptyLine(line)) {
    state.inBody = true
    return true
  }
  const text = line.toString('utf8')
  const folded = text.startsWith(' ') || text.startsWith('\t')
  if (!folded) {
    state.field = text
      .slice(0, Math.max(0, text.indexOf(':')))
      .trim()
      .toLowerCase()
    state.isKept = (state.field === 'received' || state.field === 'message-id') && !state.kept.has(state.field)
  }
  if (state.isKept) {
    const before = state.kept.get(state.field) ?? ''
    if (before.length < MAX_KEPT) state.kept.set(state.field, (before + text).slice(0, MAX_KEPT))
  }
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
  const state: State = { held: EMPTY, inBody: false, field: '', deliveredTo: [], kept: new Map(), isKept: false }
  return {
    push: (piece) => push(state, piece),
    end: () => {
      const rest = state.held
      state.held = EMPTY
      return rest.length > 0 && takeLine(state, rest) ? rest : EMPTY
    },
    deliveredTo: () => state.deliveredTo,
    first: (name) => state.kept.get(name) ?? null,
    inBody: () => state.inBody,
  }
}
