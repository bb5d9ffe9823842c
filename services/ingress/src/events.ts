/**
 * One function per step of a message's life that ingress sees: it writes the log and moves the counters. Labels are bounded:
 * listener names come from the config, reasons and protocols are closed sets. Never content, never credentials.
 */
import { createEventCounter, type Log, type Metrics, type TraceIds } from '@sluice/runtime'
import { REJECTION_REASONS, type RejectionReason } from '@sluice/smtp-listener'
import { Counter, Gauge, Histogram } from 'prom-client'

export type ClientFields = { listener: string; client: string; helo: string | null; tls: string | null; user: string | null }

export type ReceptionFields = ClientFields & {
  id: string
  protocol: string
  sender: string
  recipients: number
  sizeBytes: number
  messageId: string | null
}

export type FailureFields = ClientFields & { id: string; error: unknown }

export type IngressEvents = {
  /** `via`: the balancer that passed it on. */
  connection: (fields: { listener: string; client: string; via?: string }) => void
  /** The connection has ended. */
  disconnection: (fields: { listener: string }) => void
  rejection: (fields: ClientFields & { reason: RejectionReason; reply: string }) => void
  /** A TLS handshake came to nothing. */
  tlsFailure: (fields: { listener: string; client: string; error: unknown }) => void
  /** A trusted balancer's connection had no PROXY header, or a broken one. */
  proxyFailure: (fields: { listener: string; client: string; why: string }) => void
  reception: (fields: ReceptionFields, ids?: TraceIds) => void
  /** Seconds from the end of the content to the reply, whatever it says. */
  answered: (seconds: number) => void
  /** The message could not be made durable; the client got 451 and nothing will ever be delivered. */
  storeFailed: (fields: FailureFields, ids?: TraceIds) => void
  /** The write's fate is not known: the client got 451 and may send again what is stored already. */
  duplicateSuspected: (fields: FailureFields, ids?: TraceIds) => void
}

/** Steps are counted in `sluice_events_total{event,reason}`; these are what it does not say. */
export const createFigures = (registry: Metrics) => {
  const registers = [registry]
  const labelNames = ['listener'] as const
  return {
    step: createEventCounter(registry, REJECTION_REASONS),
    open: new Gauge({
      name: 'sluice_ingress_connections_open',
      help: 'Clients connected now, by listener',
      labelNames,
      registers,
    }),
    tlsFailures: new Counter({
      name: 'sluice_ingress_tls_failures_total',
      help: 'TLS handshakes that failed, by listener; each is a rejection with reason tls, too',
      labelNames,
      registers,
    }),
    received: new Counter({
      name: 'sluice_ingress_received_total',
      help: 'Messages taken: answered 250 and durable',
      labelNames,
      registers,
    }),
    bytes: new Counter({
      name: 'sluice_ingress_received_bytes_total',
      help: 'Bytes of messages taken, our own header fields included',
      labelNames,
      registers,
    }),
    answered: new Histogram({
      name: 'sluice_ingress_accept_seconds',
      help: 'From the end of a message to its reply, mostly the time until it is durable: what a client waits for its 250',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
  }
}

export const createEvents = (log: Log, registry: Metrics): IngressEvents => {
  const figures = createFigures(registry)
  const failed = (name: 'store-failed' | 'duplicate-suspected', fields: FailureFields, ids?: TraceIds): void => {
    figures.step(name)
    log.event(name, fields, ids)
  }
  return {
    connection: (fields) => {
      figures.step('connection')
      figures.open.inc({ listener: fields.listener })
      log.event('connection', fields)
    },
    disconnection: ({ listener }) => figures.open.dec({ listener }),
    rejection: (fields) => {
      figures.step('rejection', fields.reason)
      log.event('rejection', fields)
    },
    tlsFailure: (fields) => {
      figures.step('rejection', 'tls')
      figures.tlsFailures.inc({ listener: fields.listener })
      log.event('rejection', { ...fields, reason: 'tls' })
    },
    proxyFailure: (fields) => {
      figures.step('rejection', 'proxy')
      log.event('rejection', { ...fields, reason: 'proxy' })
    },
    reception: (fields, ids) => {
      figures.step('reception')
      figures.received.inc({ listener: fields.listener })
      figures.bytes.inc({ listener: fields.listener }, fields.sizeBytes)
      log.event('reception', fields, ids)
    },
    answered: (seconds) => figures.answered.observe(seconds),
    storeFailed: (fields, ids) => failed('store-failed', fields, ids),
    duplicateSuspected: (fields, ids) => failed('duplicate-suspected', fields, ids),
  }
}
