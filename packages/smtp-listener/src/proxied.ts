/**
 * Reads the PROXY header at the head of an accepted socket, within a time limit, and gives the bytes behind it back to the socket.
 * Only sockets of trusted peers come here. Every socket has exactly one end: a header, or a reason why there is none.
 */
import type { Socket } from 'node:net'
import { readProxyHeader } from './proxy-header.ts'

/** From whom the connection came, when a balancer passed it on. */
export type Origin = {
  /** The balancer's address. */
  via: string
  /** The client's address; null: the balancer does not tell it, or speaks for itself. */
  source: string | null
}

export type Read =
  | { kind: 'header'; source: string | null }
  /** The peer left before it had sent one: a check whether the port is open. */
  | { kind: 'gone' }
  | { kind: 'refused'; why: string }

/** §2 asks for at least three seconds: a lost packet must have time to be sent again. */
const WITHIN_MS = 5000
const NOTHING = Buffer.alloc(0)

/** @param done called once, with the socket as it was before, unread but for the header */
export const readOrigin = (socket: Socket, done: (read: Read) => void, withinMs = WITHIN_MS): void => {
  let data: Buffer = NOTHING
  const end = (read: Read): void => {
    clearTimeout(timer)
    socket.off('readable', look).off('end', gone).off('close', gone).off('error', gone)
    done(read)
  }
  const gone = (): void => end({ kind: 'gone' })
  const look = (): void => {
    for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read()) {
      data = data.length === 0 ? chunk : Buffer.concat([data, chunk])
      const found = readProxyHeader(data)
      if (found.kind === 'more') continue
      if (found.kind === 'header' && found.length < data.length) socket.unshift(data.subarray(found.length))
      end(found.kind === 'header' ? { kind: 'header', source: found.source } : { kind: 'refused', why: found.why })
      return
    }
  }
  const timer = setTimeout(() => end({ kind: 'refused', why: `it did not come within ${withinMs} ms` }), withinMs)
  socket.on('readable', look).once('end', gone).once('close', gone).once('error', gone)
}
