/**
 * Command lines as they come over the wire. R-smuggle: a command ends with CRLF; with LF alone, with CR, NUL or anything but UTF-8
 * in it, it is told apart and must never run. R-limits: a line that does not end is not kept.
 */
import { isUtf8 } from 'node:buffer'

export type CommandLine =
  | { kind: 'command'; text: string }
  | { kind: 'broken' }
  /** Longer than allowed: told once, and skipped up to its line end. */
  | { kind: 'too-long' }
  /** Garbage that goes on and on without a line end. */
  | { kind: 'endless' }

export type CommandLines = {
  feed: (chunk: Buffer) => void
  /** The next line, or null when more must come first. */
  next: () => CommandLine | null
  /** What has not been looked at, for whoever reads on (content after DATA). */
  takeRest: () => Buffer
}

const LF = 0x0a
const CR = 0x0d
const NOTHING = Buffer.alloc(0)
/** Bytes without a line end after which it is no use to wait for one. */
const MAX_SKIPPED_BYTES = 64 * 1024

/** @param maxBytes of a line, its CRLF included */
export const createCommandLines = (maxBytes: number): CommandLines => {
  let data: Buffer = NOTHING
  let at = 0
  let skippedBytes = 0

  const judge = (line: Buffer): CommandLine => {
    const last = line.length - 1
    if (line.length + 1 > maxBytes) return { kind: 'too-long' }
    if (line[last] !== CR || line.indexOf(CR) !== last || line.includes(0) || !isUtf8(line)) return { kind: 'broken' }
    return { kind: 'command', text: line.toString('utf8', 0, last) }
  }

  /** No line end has come yet. */
  const wait = (): CommandLine | null => {
    const rest = data.subarray(at)
    const first = skippedBytes === 0
    data = NOTHING
    at = 0
    if (first && rest.length <= maxBytes) {
      // A copy: the chunk it came in may be large.
      data = Buffer.from(rest)
      return null
    }
    skippedBytes += rest.length
    if (skippedBytes > MAX_SKIPPED_BYTES) return { kind: 'endless' }
    return first ? { kind: 'too-long' } : null
  }

  const next = (): CommandLine | null => {
    if (at >= data.length) return null
    const end = data.indexOf(LF, at)
    if (end === -1) return wait()
    const line = data.subarray(at, end)
    at = end + 1
    if (skippedBytes === 0) return judge(line)
    skippedBytes = 0
    return next()
  }

  return {
    feed: (chunk) => {
      data = at >= data.length ? chunk : Buffer.concat([data.subarray(at), chunk])
      at = 0
    },
    next,
    takeRest: () => {
      const rest = data.subarray(at)
      data = NOTHING
      at = 0
      return rest
    },
  }
}
