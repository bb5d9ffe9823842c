/** What the delivery-agent counts. Labels are closed sets: never a destination, never an address. */
import { type EventName, stageSchema } from '@sluice/contracts'
import { createEventCounter, type Metrics } from '@sluice/runtime'
import { Gauge, Histogram } from 'prom-client'

export type AgentMetrics = {
  outcome: (event: EventName, stage: string) => void
  event: (event: EventName) => void
  sessionOpened: () => void
  sessionClosed: () => void
  /** seconds */
  attempt: (seconds: number) => void
}

export const createAgentMetrics = (registry: Metrics): AgentMetrics => {
  const count = createEventCounter(registry, stageSchema.options)
  const sessions = new Gauge({ name: 'sluice_sessions_open', help: 'Sessions in this delivery-agent now', registers: [registry] })
  const seconds = new Histogram({
    name: 'sluice_attempt_seconds',
    help: 'From taking a task to its outcome, connecting included',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600],
    registers: [registry],
  })
  return {
    outcome: (event, stage) => count(event, stage),
    event: (event) => count(event),
    sessionOpened: () => sessions.inc(),
    sessionClosed: () => sessions.dec(),
    attempt: (value) => seconds.observe(value),
  }
}
