/** What a listener knows of the client at the other end of a connection. */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

export type TlsSession = { version: string; cipher: string }

export type Client = {
  /** IP address; IPv4 without the `::ffff:` of a dual-stack socket. */
  ip: string
  tls: TlsSession | null
  /** The account that logged in. */
  user: string | null
  helo: string | null
  /** Refused commands and commands that bring nothing forward, since the last accepted message (R-limits). */
  errors: number
  noops: number
  /** ms of performance.now(): the session's time runs from here, whatever the time of day is set to. */
  startedAt: number
}

/** Who has just connected. */
export const newClient = (ip: string): Client => ({
  ip,
  tls: null,
  user: null,
  helo: null,
  errors: 0,
  noops: 0,
  startedAt: performance.now(),
})

/** Protocol and cipher, null for plain text. A socket that was closed in the meantime has neither, whatever its types say. */
export const tlsOf = (socket: Socket): TlsSession | null => {
  if (!(socket instanceof TLSSocket)) return null
  const cipher: { name: string } | null = socket.getCipher()
  return { version: socket.getProtocol() ?? 'TLS', cipher: cipher?.name ?? 'unknown' }
}
