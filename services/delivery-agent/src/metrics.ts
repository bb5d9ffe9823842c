/** All figures of a delivery-agent, for docs/metrics.md. */
import {
  createAdmissionFigures,
  createContentFigures,
  declareConfig,
  declareReadiness,
  declareRedis,
  type Metrics,
} from '@sluice/runtime'
import { createTracingFigures } from '@sluice/tracing'
import { declareActions } from './apply-reply-rules.ts'
import { createConnectionMetrics } from './connection-metrics.ts'
import { createAgentMetrics } from './session-metrics.ts'

export const declareMetrics = (registry: Metrics): void => {
  createAgentMetrics(registry)
  createConnectionMetrics(registry, () => 0)
  declareActions(registry)
  createAdmissionFigures(registry)
  createContentFigures(registry, ['redis', 'file', 's3'])
  createTracingFigures(registry)
  declareReadiness(registry, () => ({ kind: 'ok' }))
  declareConfig(registry, () => false)
  declareRedis(registry, () => Promise.resolve())
}
