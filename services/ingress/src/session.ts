/** What ingress knows of one connection: the client, and the mail transaction that is under way (RFC 5321 §3.3). */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Recipient } from '@sluice/contracts'
import type { MailCommand } from '@sluice/smtp'
import type { Destination } from '@sluice/spool'
import type { IngressDependencies, ListenerConfig } from './dependencies.ts'
import type { ClientFields, IngressEvents } from './events.ts'

export type Transaction = {
  /** Reverse-path, '' for the null one. */
  from: string
  /** MAIL as it was parsed. */
  mail: MailCommand
  /** By address, so that whoever is named twice is delivered once (R-duplicate). */
  recipients: Map<string, Recipient>
  destinations: Map<Destination, Recipient[]>
  /** How many RCPT were answered 250. */
  named: number
  /** The mailbox of the first of them, as the client named it. */
  firstNamed: string
  /** An RCPT was refused. */
  refusedRecipients: boolean
}

export type Session = {
  listener: ListenerConfig
  /** Client's IP address; IPv4 without the `::ffff:` of a dual-stack socket. */
  ip: string
  trusted: boolean
  tls: { version: string; cipher: string } | null
  /** The account that logged in. */
  user: string | null
  helo: string | null
  /** Opened with EHLO. */
  esmtp: boolean
  transaction: Transaction | null
  /** Refused commands and commands that bring nothing forward, since the last accepted message. */
  errors: number
  noops: number
  /** ms since the epoch */
  startedAt: number
}

/** What the steps of a conversation share. */
export type Shared = IngressDependencies & { events: IngressEvents; isDraining: () => boolean }

export const clientFields = (session: Session): ClientFields => ({
  listener: session.listener.name,
  client: session.ip,
  helo: session.helo,
  tls: session.tls === null ? null : `${session.tls.version} ${session.tls.cipher}`,
  user: session.user,
})

/** R-relay: who may name recipients outside the own domains, and whose submissions are completed. */
export const mayRelay = (session: Session): boolean => session.trusted || session.user !== null

/** AUTH is offered under TLS only, and where the listener has it. */
export const offersAuth = (session: Session): boolean => session.listener.auth !== 'off' && session.tls !== null

/** A client that has just connected. */
export const newSession = (listener: ListenerConfig, ip: string, { directory, now }: Shared): Session => ({
  listener,
  ip,
  trusted: directory.isTrusted(ip),
  tls: null,
  user: null,
  helo: null,
  esmtp: false,
  transaction: null,
  errors: 0,
  noops: 0,
  startedAt: now(),
})

/** Protocol and cipher, null for plain text. */
export const tlsOf = (socket: Socket): Session['tls'] =>
  socket instanceof TLSSocket ? { version: socket.getProtocol() ?? 'TLS', cipher: socket.getCipher().name } : null
