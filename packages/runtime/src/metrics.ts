/**
 * Figures: one prom-client registry per service. The file that counts declares its counters with `registry` passed in, with
 * names that begin with `sluice_` and label values from fixed lists, never addresses or destinations.
 */
import { EVENTS, type EventName } from '@sluice/contracts'
import { Counter, collectDefaultMetrics, Registry } from 'prom-client'

export type Metrics = Registry

/** @param service stands as label `service` on every figure */
export const createMetrics = (service: string, options: { processFigures?: boolean } = {}): Metrics => {
  const registry = new Registry()
  registry.setDefaultLabels({ service })
  if (options.processFigures !== false) collectDefaultMetrics({ register: registry, prefix: 'sluice_' })
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
    help: "Steps of messages' lives, by event and reason",
    labelNames: ['event', 'reason'] as const,
    registers: [registry],
  })
  for (const event of EVENTS) counter.inc({ event, reason: '' }, 0)
  const known = new Set(['', ...reasons])
  return (event, reason = '', count = 1) => counter.inc({ event, reason: known.has(reason) ? reason : 'other' }, count)
}
