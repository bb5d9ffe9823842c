/**
 * What the delivery-agent counts. Labels are closed sets: never a destination, never an address. Sites are told by their class,
 * which the config bounds (`metrics.sites`).
 */
import { type EventName, stageSchema } from '@sluice/contracts'
import { createEventCounter, type Metrics } from '@sluice/runtime'
import { Counter, Gauge, Histogram } from 'prom-client'

/** A recipient's outcome, as the log names it. */
export type OutcomeEvent = 'delivery' | 'deferral' | 'bounce' | 'expiry'

export type AgentMetrics = {
  /** @param status the enhanced status code, RFC 3463: its subject is the reason */
  outcome: (event: OutcomeEvent, stage: string, siteClass: string, status: string) => void
  event: (event: EventName) => void
  /** An attempt begins. */
  attempted: (siteClass: string, isRetry: boolean) => void
  /** A message was delivered to at least one recipient. @param ageSeconds since its reception */
  delivered: (siteClass: string, sizeBytes: number, ageSeconds: number) => void
  sessionOpened: () => void
  sessionClosed: () => void
  /** @param stage how far it came */
  attempt: (stage: string, seconds: number) => void
}

const OUTCOMES = { delivery: 'delivered', deferral: 'deferred', bounce: 'bounced', expiry: 'expired' } as const

/** The subjects of RFC 3463 §3, by their digit. */
const SUBJECTS = ['other', 'address', 'mailbox', 'system', 'network', 'protocol', 'content', 'policy'] as const

const FAILURES = ['deferred', 'bounced', 'expired'] as const

/** Prometheus sees a counter grow only from a value that it has seen: so all of a class stand at 0 from its first attempt on. */
const createZeros = (outcomes: Counter<'outcome' | 'site_class' | 'reason'>): ((siteClass: string) => void) => {
  const known = new Set<string>()
  return (site_class) => {
    if (known.has(site_class)) return
    known.add(site_class)
    outcomes.inc({ outcome: 'delivered', site_class, reason: '' }, 0)
    for (const outcome of FAILURES) for (const reason of SUBJECTS) outcomes.inc({ outcome, site_class, reason }, 0)
  }
}

/** `5.7.1` → `policy`. */
export const reasonOf = (status: string): string => SUBJECTS[status.charCodeAt(2) - 48] ?? 'other'

const seconds = {
  quick: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600],
  ages: [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300, 900, 3600, 14_400, 43_200, 86_400, 259_200],
}

const declare = (registry: Metrics) => {
  const registers = [registry]
  return {
    outcomes: new Counter({
      name: 'sluice_outcomes_total',
      help: 'Outcomes of recipients: delivered, deferred (tried again later), bounced (refused for good), expired (deferred until the schedule was over)',
      labelNames: ['outcome', 'site_class', 'reason'] as const,
      registers,
    }),
    attempts: new Counter({
      name: 'sluice_attempts_total',
      help: 'Attempts that began, first ones and retries',
      labelNames: ['site_class', 'kind'] as const,
      registers,
    }),
    bytes: new Counter({
      name: 'sluice_delivered_bytes_total',
      help: 'Bytes of messages that at least one recipient got',
      labelNames: ['site_class'] as const,
      registers,
    }),
    ages: new Histogram({
      name: 'sluice_delivery_age_seconds',
      help: 'Age of a message when it was delivered, from its reception: what senders and recipients notice',
      buckets: seconds.ages,
      registers,
    }),
    sessions: new Gauge({ name: 'sluice_sessions_open', help: 'Sessions that this delivery-agent runs now', registers }),
    attempt: new Histogram({
      name: 'sluice_attempt_seconds',
      help: 'From taking a task to its outcome, connecting included, by the stage at which it ended: dot where the far end had the whole message',
      labelNames: ['stage'] as const,
      buckets: seconds.quick,
      registers,
    }),
  }
}

export const createAgentMetrics = (registry: Metrics): AgentMetrics => {
  const count = createEventCounter(registry, stageSchema.options)
  const figures = declare(registry)
  const zeros = createZeros(figures.outcomes)
  return {
    outcome: (event, stage, siteClass, status) => {
      count(event, stage)
      const reason = event === 'delivery' ? '' : reasonOf(status)
      figures.outcomes.inc({ outcome: OUTCOMES[event], site_class: siteClass, reason })
    },
    event: (event) => count(event),
    attempted: (siteClass, isRetry) => {
      zeros(siteClass)
      figures.attempts.inc({ site_class: siteClass, kind: isRetry ? 'retry' : 'first' })
    },
    delivered: (siteClass, sizeBytes, ageSeconds) => {
      figures.bytes.inc({ site_class: siteClass }, sizeBytes)
      figures.ages.observe(ageSeconds)
    },
    sessionOpened: () => figures.sessions.inc(),
    sessionClosed: () => figures.sessions.dec(),
    attempt: (stage, value) => figures.attempt.observe({ stage }, value),
  }
}
