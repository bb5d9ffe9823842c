/** What the spooler counts. */
import {
  createAdmissionFigures,
  createContentFigures,
  createEventCounter,
  declareConfig,
  declareReadiness,
  declareRedis,
  type Metrics,
} from '@sluice/runtime'
import { createTracingFigures } from '@sluice/tracing'
import { Counter, Gauge, Histogram } from 'prom-client'
import { declareFigures } from './figures.ts'
import { declareScaling } from './scaling.ts'
import { REPAIRS, type RepairKind } from './tending.ts'

export const createSpoolerMetrics = (registry: Metrics) => {
  const event = createEventCounter(registry)
  const wake = new Histogram({
    name: 'sluice_wake_seconds',
    help: 'One look at the destinations of a lane whose time has come, five times a second: grows when Redis is slow',
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1],
    registers: [registry],
  })
  const repairs = new Counter({
    name: 'sluice_repairs_total',
    help: 'Repairs made to the spool, by what was repaired: what a crash left behind. Each is logged',
    labelNames: ['kind'],
    registers: [registry],
  })
  const notSwept = new Gauge({
    name: 'sluice_contents_not_swept',
    help: 'Folders or buckets of contents from which nothing is removed, as another gateway’s ID lies there, or none: see the log. Each spooler tells of all: take the max',
    registers: [registry],
  })
  for (const kind of REPAIRS) repairs.inc({ kind }, 0)
  return {
    looked: (seconds: number) => wake.observe(seconds),
    repaired: (kind: RepairKind, count: number) => repairs.inc({ kind }, count),
    notSwept: (count: number) => notSwept.set(count),
    admitted: () => event('admission'),
    parked: () => event('parked'),
  }
}

/** All figures of a spooler, for docs/metrics.md. */
export const declareMetrics = (registry: Metrics): void => {
  createSpoolerMetrics(registry)
  declareFigures(registry, () => Promise.resolve(null))
  declareScaling(registry, () => Promise.resolve({ sessions: 0 }))
  createAdmissionFigures(registry)
  createContentFigures(registry, ['redis', 'file', 's3'])
  createTracingFigures(registry)
  declareReadiness(registry, () => ({ kind: 'ok' }))
  declareConfig(registry, () => false)
  declareRedis(registry, () => Promise.resolve())
}
