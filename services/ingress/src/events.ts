/**
 * One function per step of a message's life that ingress sees: it writes the log and moves the counters. Labels are bounded:
 * listener names come from the config, reasons and protocols are closed sets. Never content, never credentials.
 */
import type { EventName } from '@sluice/contracts'
import { Counter, Gauge, type Registry } from 'prom-client'
import type { Log } from './dependencies.ts'
import type { RejectionReason } from './reply.ts'

export type ClientFields = { listener: string; client: string; helo: string | null; tls: string | null; user: string | null }

export type ReceptionFields = ClientFields & {
  id: string
  protocol: string
  sender: string
  recipients: number
  sizeBytes: number
  messageId: string | null
}

export type IngressEvents = {
  connection: (fields: { listener: string; client: string }) => void
  /** The connection has ended. */
  disconnection: (fields: { listener: string }) => void
  rejection: (fields: ClientFields & { reason: RejectionReason; reply: string }) => void
  reception: (fields: ReceptionFields) => void
  /** The message could not be made durable; the client got 451 and nothing will ever be delivered. */
  storeFailed: (fields: ClientFields & { id: string; error: unknown }) => void
  /** The write's fate is not known: the client got 451 and may send again what is stored already. */
  duplicateSuspected: (fields: ClientFields & { id: string; error: unknown }) => void
}

const named = <T extends object>(event: EventName, fields: T): T & { event: EventName } => ({ event, ...fields })

const createCounters = (registry: Registry) => {
  const registers = [registry]
  const counter = <L extends string>(name: string, help: string, labelNames: L[]): Counter<L> =>
    new Counter({ name, help, labelNames, registers })
  return {
    connections: counter('sluice_ingress_connections_total', 'Connections taken', ['listener']),
    open: new Gauge({ name: 'sluice_ingress_connections_open', help: 'Connections now', labelNames: ['listener'], registers }),
    rejections: counter('sluice_ingress_rejections_total', 'Refusals by reason', ['listener', 'reason']),
    receptions: counter('sluice_ingress_receptions_total', 'Messages taken', ['listener', 'protocol']),
    bytes: counter('sluice_ingress_received_bytes_total', 'Bytes of the messages taken', ['listener']),
    storeFailures: counter('sluice_ingress_store_failures_total', 'Messages that could not be stored', ['fate']),
  }
}

export const createEvents = (log: Log, registry: Registry): IngressEvents => {
  const counters = createCounters(registry)
  return {
    connection: (fields) => {
      counters.connections.inc({ listener: fields.listener })
      counters.open.inc({ listener: fields.listener })
      log.info(named('connection', fields), 'connection')
    },
    disconnection: ({ listener }) => counters.open.dec({ listener }),
    rejection: (fields) => {
      counters.rejections.inc({ listener: fields.listener, reason: fields.reason })
      log.info(named('rejection', fields), 'rejection')
    },
    reception: (fields) => {
      counters.receptions.inc({ listener: fields.listener, protocol: fields.protocol })
      counters.bytes.inc({ listener: fields.listener }, fields.sizeBytes)
      log.info(named('reception', fields), 'reception')
    },
    storeFailed: ({ error, ...fields }) => {
      counters.storeFailures.inc({ fate: 'refused' })
      log.error({ ...named('store-failed', fields), err: error }, 'message could not be stored')
    },
    duplicateSuspected: ({ error, ...fields }) => {
      counters.storeFailures.inc({ fate: 'unknown' })
      log.error({ ...named('duplicate-suspected', fields), err: error }, 'message may be stored although the client got 451')
    },
  }
}
