/** What ingress knows of one connection: the client, and the mail transaction that is under way (RFC 5321 §3.3). */
import type { Recipient } from '@sluice/contracts'
import type { MailCommand } from '@sluice/smtp'
import { type Client, type ListenerConfig, newClient, type Origin } from '@sluice/smtp-listener'
import type { Destination } from '@sluice/spool'
import type { IngressDependencies } from './dependencies.ts'
import type { ClientFields, IngressEvents } from './events.ts'

export type Transaction = {
  /** Reverse-path, '' for the null one. */
  from: string
  /** MAIL as it was parsed. */
  mail: MailCommand
  /** By address, so that whoever is named twice is delivered once (R-duplicate). */
  recipients: Map<string, Recipient>
  /** By next hop; the class is known when the message is in. */
  hops: Map<Destination, Recipient[]>
  /** How many RCPT were answered 250. */
  named: number
  /** The mailbox of the first of them, as the client named it. */
  firstNamed: string
  /** An RCPT was refused. */
  refusedRecipients: boolean
  /** Of MAIL, ms of performance.now(); 0 while nothing is traced. */
  begunAt: number
}

export type Session = Client & {
  listener: ListenerConfig
  trusted: boolean
  /** Opened with EHLO. */
  esmtp: boolean
  transaction: Transaction | null
  /** Of which the content has begun. */
  messages: number
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

/** A client that has just connected. One whom a balancer hides is a stranger, whatever the balancer's own address may do. */
export const newSession = (listener: ListenerConfig, ip: string, origin: Origin | null, { directory }: Shared): Session => ({
  ...newClient(ip),
  listener,
  trusted: origin?.source !== null && directory.isTrusted(ip),
  esmtp: false,
  transaction: null,
  messages: 0,
})
