/** What the conversations of a delivery-agent count: connections, and how long the parts of a conversation take. */
import type { Metrics } from '@sluice/runtime'
import { Counter, Gauge, Histogram } from 'prom-client'

const RESULTS = ['opened', 'reused', 'failed'] as const
export type ConnectionResult = (typeof RESULTS)[number]

/** `connect`: from dialling until the connection is fit for mail; `envelope`: MAIL to the answer to DATA; `content`: to the final reply. */
const PARTS = ['connect', 'envelope', 'content'] as const
export type ConversationPart = (typeof PARTS)[number]

export type ConnectionMetrics = {
  count: (result: ConnectionResult) => void
  took: (part: ConversationPart, seconds: number) => void
}

/** @param idle connections that wait for the next conversation, asked at each scrape */
export const createConnectionMetrics = (registry: Metrics, idle: () => number): ConnectionMetrics => {
  const registers = [registry]
  const connections = new Counter({
    name: 'sluice_connections_total',
    help: 'Connections to far ends: opened, reused (taken over from an earlier conversation), or failed before MAIL',
    labelNames: ['result'] as const,
    registers,
  })
  for (const result of RESULTS) connections.inc({ result }, 0)
  new Gauge({
    name: 'sluice_idle_connections',
    help: 'Open connections to far ends that wait for the next conversation',
    registers,
    collect() {
      this.set(idle())
    },
  })
  const parts = new Histogram({
    name: 'sluice_conversation_seconds',
    help: 'How long the parts of a conversation took: connect (dialling, greeting, EHLO, TLS, log-in), envelope (MAIL to the reply to DATA), content (from there to the final reply)',
    labelNames: ['part'] as const,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600],
    registers,
  })
  for (const part of PARTS) parts.zero({ part })
  return { count: (result) => connections.inc({ result }), took: (part, seconds) => parts.observe({ part }, seconds) }
}
