import { createMetrics } from '@sluice/runtime'
import { expect, it } from 'vitest'
import { createAgentMetrics, reasonOf } from './session-metrics.ts'

it.each([
  ['4.7.1', 'policy'],
  ['5.1.1', 'address'],
  ['5.2.2', 'mailbox'],
  ['4.4.7', 'network'],
  ['5.0.0', 'other'],
  ['5.9.9', 'other'],
  ['', 'other'],
])('the reason of an outcome with status %j is %s', (status, reason) => {
  expect(reasonOf(status)).toBe(reason)
})

it('outcomes are counted as events by stage, and by class of site and reason', async () => {
  const registry = createMetrics('test', { processFigures: false })
  const metrics = createAgentMetrics(registry)
  metrics.outcome('delivery', 'dot', 'far', '2.0.0')
  metrics.outcome('expiry', 'connect', 'other', '4.4.7')
  metrics.delivered('far', 2048, 0.2)
  const text = await registry.metrics()
  expect(text).toContain('sluice_outcomes_total{outcome="delivered",site_class="far",reason="",service="test"} 1')
  expect(text).toContain('sluice_outcomes_total{outcome="expired",site_class="other",reason="network",service="test"} 1')
  expect(text).toContain('sluice_events_total{event="expiry",reason="connect",service="test"} 1')
  expect(text).toContain('sluice_delivered_bytes_total{site_class="far",service="test"} 2048')
})
