/** What ingress tells of besides the steps of messages' lives (events.ts): asked at each scrape. */

import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import {
  createAdmissionFigures,
  createContentFigures,
  declareConfig,
  declareReadiness,
  declareRedis,
  type Metrics,
} from '@sluice/runtime'
import type { ListenerConfig } from '@sluice/smtp-listener'
import { createTracingFigures } from '@sluice/tracing'
import { Gauge } from 'prom-client'
import { createFigures } from './events.ts'

/** ms since the epoch; NaN when the file cannot be read or holds no certificate. */
const endsAt = async (certFile: string): Promise<number> => {
  try {
    return Date.parse(new X509Certificate(await readFile(certFile)).validTo)
  } catch {
    return Number.NaN
  }
}

/** The first certificate of each listener's file, read at each scrape: some hundred microseconds each. */
export const declareCertificates = (
  registry: Metrics,
  listeners: readonly { name: string; tls: Pick<NonNullable<ListenerConfig['tls']>, 'certFile'> | null }[],
): void => {
  new Gauge({
    name: 'sluice_ingress_certificate_expiry_timestamp_seconds',
    help: "When the certificate in a listener's file expires, s since the epoch; NaN when the file cannot be read",
    labelNames: ['listener'] as const,
    registers: [registry],
    async collect() {
      for (const { name, tls } of listeners) if (tls !== null) this.set({ listener: name }, (await endsAt(tls.certFile)) / 1000)
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
  declareCertificates(registry, [])
  declareStorage(registry, () => 0)
  createTracingFigures(registry)
  declareReadiness(registry, () => ({ kind: 'ok' }))
  declareConfig(registry, () => false)
  declareRedis(registry, () => Promise.resolve())
}
