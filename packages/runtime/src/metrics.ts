/**
 * Figures: one prom-client registry per service. The file that counts declares its counters with `registry` passed in, with
 * names that begin with `sluice_`, units in the names, and label values from fixed lists or from the config, never addresses or
 * destinations. docs/metrics.md is made from the declarations: `help` says what a figure means, as a sentence.
 */
import { EVENTS, type EventName } from '@sluice/contracts'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Readiness } from './readiness.ts'

export type Metrics = Registry

/** A look at the event loop wakes an idle service: prom-client's 10 ms would do so a hundred times a second. */
const LAG_EVERY_MS = 100

/** @param service stands as label `service` on every figure */
export const createMetrics = (service: string, options: { processFigures?: boolean } = {}): Metrics => {
  const registry = new Registry()
  registry.setDefaultLabels({ service })
  if (options.processFigures !== false)
    collectDefaultMetrics({ register: registry, prefix: 'sluice_', eventLoopMonitoringPrecision: LAG_EVERY_MS })
  return registry
}

/**
 * Counts the steps of messages' lives in `sluice_events_total{event,reason}`, all events from the start at 0.
 * @param reasons the allowed values of `reason`; others are counted as `other`, so that the label stays bounded
 */
export const createEventCounter = (
  registry: Metrics,
  reasons: readonly string[] = [],
): ((event: EventName, reason?: string, count?: number) => void) => {
  const counter = new Counter({
    name: 'sluice_events_total',
    help: "Steps of messages' lives, each under the name that its line in the log has",
    labelNames: ['event', 'reason'] as const,
    registers: [registry],
  })
  for (const event of EVENTS) counter.inc({ event, reason: '' }, 0)
  const known = new Set(['', ...reasons])
  return (event, reason = '', count = 1) => counter.inc({ event, reason: known.has(reason) ? reason : 'other' }, count)
}

const READINESS = ['ok', 'away', 'unsafe', 'full'] as const satisfies Readiness['kind'][]

/** What /readyz says, as a figure. Asked at each scrape. */
export const declareReadiness = (registry: Metrics, readiness: () => Readiness): void => {
  new Gauge({
    name: 'sluice_readiness',
    help: '1 for what /readyz says now, 0 for the others: ok; away (starting, stopping, or Redis does not answer); unsafe (Redis could lose what it was given); full (storage has passed its mark: clients are told 452, and /readyz stays 200)',
    labelNames: ['state'] as const,
    registers: [registry],
    collect() {
      const { kind } = readiness()
      for (const state of READINESS) this.set({ state }, state === kind ? 1 : 0)
    },
  })
}

/** Whether the config's files are of use, as a figure. Asked at each scrape. */
export const declareConfig = (registry: Metrics, isRefused: () => boolean): void => {
  new Gauge({
    name: 'sluice_config_refused',
    help: '1 while the config, or a secret that it names, has changed to something that cannot be used: the last good one stays in force, and a service that starts anew would end at once; else 0',
    registers: [registry],
    collect() {
      this.set(isRefused() ? 1 : 0)
    },
  })
}

/** A batch of messages was made durable by one script call, or was not. */
export type AdmissionTold = (messages: number, seconds: number) => void

/** What admission tells its service (`createAdmission`). */
export const createAdmissionFigures = (registry: Metrics): AdmissionTold => {
  const batch = new Histogram({
    name: 'sluice_admission_batch_messages',
    help: 'Messages, or parts of messages, that one write to Redis admitted together: the sum counts admissions, the count counts writes',
    buckets: [1, 2, 5, 10, 20, 50, 100, 200],
    registers: [registry],
  })
  const took = new Histogram({
    name: 'sluice_admission_seconds',
    help: 'One write that admits messages, its sync to disk and the wait for replicas included: the latency of Redis as mail meets it',
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers: [registry],
  })
  return (messages, seconds) => {
    batch.observe(messages)
    took.observe(seconds)
  }
}

export type ContentOperation = 'written' | 'read'
/** Bytes went to or came from a content store. */
export type ContentTold = (store: string, operation: ContentOperation, bytes: number) => void

/** What the content store tells its service (`createContentStore`). @param stores their names */
export const createContentFigures = (registry: Metrics, stores: readonly string[]): ContentTold => {
  const bytes = new Counter({
    name: 'sluice_content_bytes_total',
    help: 'Bytes of contents above content.threshold that were written to or read from a content store; smaller ones lie beside their tasks',
    labelNames: ['store', 'operation'] as const,
    registers: [registry],
  })
  for (const store of stores) for (const operation of ['written', 'read'] as const) bytes.inc({ store, operation }, 0)
  return (store, operation, count) => bytes.inc({ store, operation }, count)
}
