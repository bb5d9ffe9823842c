/** What a service brings to a listener: the dialogue with one client, and what it does with content. */
import type { Log } from '@sluice/runtime'
import type { Client } from './client.ts'
import type { ConnectionLimits } from './connection-limits.ts'
import type { Origin } from './proxied.ts'
import type { Reply } from './reply.ts'

/** One message on its way in, between DATA and the reply to the final dot. */
export type Reception = {
  /** Takes a piece of content, dots removed. Resolves when more may come; never rejects. */
  take: (piece: Buffer) => Promise<void>
  /**
   * The final dot has come. Never rejects.
   * @param broken the content had bare CR, bare LF or NUL: it must be refused (R-smuggle)
   * @returns one reply, or in LMTP one per recipient (RFC 2033 §4.2)
   */
  end: (broken: boolean) => Promise<Reply | readonly Reply[]>
  /** The client has gone. Never throws. */
  abort: () => void
}

export type Answer = Reply & {
  /** From now on the client sends content, for this. */
  reception?: Reception
  /** The connection ends with it. */
  close?: boolean
  /** Counts as a command that brings nothing forward (R-limits). */
  noop?: boolean
  /** A refusal that is no mistake of the client's: not counted among its errors. */
  blameless?: boolean
}

/** The service's side of one connection. */
export type Dialogue = {
  /** Kept up to date by the connection: `tls`, `user`, `errors`, `noops`. */
  client: Client
  /** Answers every command but STARTTLS and AUTH. A fault it throws is answered 451. @param verb in upper case */
  command: (verb: string, line: string) => Answer | Promise<Answer>
  isInTransaction: () => boolean
  /** Greeted in a way that allows extensions, and nothing begun: AUTH may come (RFC 4954 §4). */
  mayLogIn: () => boolean
  /** TLS has begun: whatever was said before is forgotten (RFC 3207 §4.2). */
  forget: () => void
  /** A reply refused something; for logs and counters. */
  rejected: (reply: Reply & { reason: NonNullable<Reply['reason']> }) => void
  /** The socket is gone. */
  gone: () => void
}

export type ListenerConfig = {
  /** Label of logs and counters. */
  name: string
  /** `::` takes IPv4 and IPv6 (R-dual). */
  listen: { host: string; port: number }
  tls: { certFile: string; keyFile: string } | null
  implicitTls: boolean
  auth: 'off' | 'optional' | 'required'
  /** Networks of load balancers, whose connections begin with a PROXY header; left out, as null: none. */
  proxy?: { trusted: readonly string[] } | null
}

export type ListenerLimits = {
  /** Of a message; offered as SIZE by the service. */
  sizeBytes: number
  errors: number
  noops: number
  connections: number
  idleMs: number
  sessionMs: number
  commandLineBytes: number
}

/** What all listeners of a service share. */
export type Service = {
  protocol: 'ESMTP' | 'LMTP'
  /** Stands in the greeting. */
  hostname: string
  limits: ListenerLimits
  connectionLimits: ConnectionLimits
  /** Of implicit TLS handshakes under way; who is beyond is dropped without a word. */
  handshakeLimits: ConnectionLimits
  bareLineFeeds: 'reject' | 'normalize'
  /** A client has connected. @param origin null: without a balancer between */
  open: (listener: ListenerConfig, ip: string, origin: Origin | null) => Dialogue
  /** Instead of the greeting: null when clients are welcome. */
  refuse: () => Reply | null
  /** @returns the account's address, or null when user or password are wrong */
  authenticate: (user: string, password: string) => Promise<string | null>
  /** A handshake came to nothing; over STARTTLS or from the first byte. */
  tlsFailed: (listener: ListenerConfig, ip: string, fault: unknown) => void
  /** A trusted balancer's connection did not begin with a PROXY header that can be read. */
  proxyFailed: (listener: ListenerConfig, ip: string, why: string) => void
  log: Log
}
