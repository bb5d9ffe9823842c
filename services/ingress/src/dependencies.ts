/** What ingress needs of the others, as parameters: real ones come from `startIngress`, tests pass small ones of their own. */
import type { ContentStore } from '@sluice/content-store'
import type { Recipient } from '@sluice/contracts'
import type { Mailbox } from '@sluice/smtp'
import type { AcceptMessage, Destination } from '@sluice/spool'
import type { Registry } from 'prom-client'

export type ListenerConfig = {
  /** Label of logs and counters. */
  name: string
  /** `::` takes IPv4 and IPv6 (R-dual). */
  listen: { host: string; port: number }
  tls: { certFile: string; keyFile: string } | null
  implicitTls: boolean
  auth: 'off' | 'optional' | 'required'
}

export type Limits = {
  sizeBytes: number
  recipients: number
  hops: number
  errors: number
  noops: number
  connections: number
  connectionsPerClient: number
  idleMs: number
  sessionMs: number
  commandLineBytes: number
}

/** The part of the config that ingress reads. */
export type IngressConfig = {
  hostname: string
  listeners: readonly ListenerConfig[]
  domains: readonly { name: string }[]
  limits: Limits
  bareLineFeeds: 'reject' | 'normalize'
}

export type Resolved =
  | { kind: 'own'; recipients: Recipient[] }
  | { kind: 'foreign' }
  /** No such recipient in an own domain. */
  | { kind: 'unknown' }
  /** Its aliases lead back to themselves. */
  | { kind: 'loop' }

/** The part of the directory that ingress asks. */
export type IngressDirectory = {
  isOwnDomain: (domain: string) => boolean
  isTrusted: (ip: string) => boolean
  /** @returns the account's address, or null when user or password are wrong */
  authenticate: (user: string, password: string) => Promise<string | null>
  resolve: (address: Mailbox) => Resolved
  /** @returns null: no route takes this recipient */
  destinationOf: (recipient: Recipient) => Destination | null
  accountExists: (address: string) => boolean
}

/** May mail be taken? Asked at each connection and each MAIL, so it must be cheap. */
export type Readiness =
  | { kind: 'ok' }
  /** Redis or the disk is near its mark: 452. */
  | { kind: 'full'; reason: string }
  /** Redis does not answer (`away`), or would forget what it has acknowledged (`unsafe`): 421 to new clients, 451 to MAIL. */
  | { kind: 'unsafe' | 'away'; reason: string }

/** The part of a pino logger that is used. */
export type Log = Record<'info' | 'warn' | 'error', (fields: object, text: string) => void>

export type IngressDependencies = {
  config: IngressConfig
  directory: IngressDirectory
  contentStore: ContentStore
  /** The lane where a message to these destinations is kept. */
  laneOf: (destinations: string[], messageId: string) => number
  accept: AcceptMessage
  readiness: () => Readiness
  log: Log
  metrics: Registry
  /** ms since the epoch */
  now: () => number
  newMessageId: (now: number) => string
}
