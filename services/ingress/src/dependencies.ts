/** What ingress needs of the others, as parameters: real ones come from `startIngress`, tests pass small ones of their own. */
import type { ContentStore } from '@sluice/content-store'
import type { Recipient } from '@sluice/contracts'
import type { ClassFacts } from '@sluice/directory'
import type { Log, Metrics, Readiness } from '@sluice/runtime'
import type { Mailbox } from '@sluice/smtp'
import type { ListenerConfig, ListenerLimits } from '@sluice/smtp-listener'
import type { AcceptMessage, Destination } from '@sluice/spool'
import type { Tracer } from '@sluice/tracing'

export type Limits = ListenerLimits & { recipients: number; hops: number; connectionsPerClient: number }

/** The part of the config that ingress reads. */
export type IngressConfig = {
  hostname: string
  listeners: readonly ListenerConfig[]
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

export type ClassDirectory = {
  /** '' for the default class. */
  classOf: (facts: ClassFacts) => string
  /** The header fields that classes ask for, in lower case; null: there are no classes. */
  classHeaders: () => ReadonlySet<string> | null
}

/** The part of the directory that ingress asks. */
export type IngressDirectory = ClassDirectory & {
  isTrusted: (ip: string) => boolean
  /** @returns the account's address, or null when user or password are wrong */
  authenticate: (user: string, password: string) => Promise<string | null>
  /** The bare postmaster has the empty domain. */
  resolve: (address: Mailbox) => Resolved
  /** The next hop. @returns null: no route takes this recipient */
  destinationOf: (recipient: Recipient) => Destination | null
  accountExists: (address: string) => boolean
}

export type IngressDependencies = {
  config: IngressConfig
  directory: IngressDirectory
  contentStore: ContentStore
  /** The lane where a message to these destinations is kept. */
  laneOf: (destinations: string[], messageId: string) => number
  accept: AcceptMessage
  /** Asked at each connection and each MAIL, so it must be cheap. */
  readiness: () => Readiness
  log: Log
  metrics: Metrics
  /** null: tracing is off */
  tracer: Tracer | null
  /** ms since the epoch */
  now: () => number
  newMessageId: (now: number) => string
}
