/** What ingress tells of besides the steps of messages' lives (events.ts): asked at each scrape. */

import {
  createAdmissionFigures,
  createContentFigures,
  declareConfig,
  declareReadiness,
  declareRedis,
  type Metrics,
} from '@sluice/runtime'
import type { ListenerCertificate } from '@sluice/smtp-listener'
import { createTracingFigures } from '@sluice/tracing'
import { Gauge } from 'prom-client'
import { createFigures } from './events.ts'

/** Of the pair that each listener has in use, which stays when its files come to hold none that can be used. Asked at each scrape. */
export const declareCertificates = (registry: Metrics, certificates: () => readonly ListenerCertificate[]): void => {
  const labelNames = ['listener'] as const
  new Gauge({
    name: 'sluice_ingress_certificate_expiry_timestamp_seconds',
    help: 'When the certificate that a listener shows its clients expires, s since the epoch: of the one in use, whatever its file holds by now',
    labelNames,
    registers: [registry],
    collect() {
      for (const { listener, expiresAt } of certificates()) this.set({ listener }, expiresAt / 1000)
    },
  })
  new Gauge({
    name: 'sluice_ingress_certificate_refused',
    help: "1 while a listener's files hold no certificate and key that can be used: the last good pair stays in use, and an ingress that starts anew would end at once; else 0",
    labelNames,
    registers: [registry],
    collect() {
      for (const { listener, isRefused } of certificates()) this.set({ listener }, isRefused ? 1 : 0)
    },
  })
}

export const declareStorage = (registry: Metrics, roomBytes: () => number): void => {
  new Gauge({
    name: 'sluice_storage_room_bytes',
    help: 'Bytes that Redis and the disks can still take before ingress refuses mail (452 4.3.1): the least of them; +Inf where Redis has no maxmemory and no disk is looked at',
    registers: [registry],
    collect() {
      this.set(roomBytes())
    },
  })
}

/** All of an ingress, for docs/metrics.md. */
export const declareMetrics = (registry: Metrics): void => {
  createFigures(registry)
  createAdmissionFigures(registry)
  createContentFigures(registry, ['redis', 'file', 's3'])
  declareCertificates(registry, () => [])
  declareStorage(registry, () => 0)
  createTracingFigures(registry)
  declareReadiness(registry, () => ({ kind: 'ok' }))
  declareConfig(registry, () => false)
  declareRedis(registry, () => Promise.resolve())
}
