/**
 * Tracing of one service. Off, which is the default, it loads nothing of OpenTelemetry. On, spans are kept in bounded memory and sent
 * in the background: a collector that is away, slow or refuses costs spans, which are counted, and never delays or fails mail.
 */
import type { Log, Metrics } from '@sluice/runtime'
import { readEnvironment } from './environment.ts'
import { createTracingFigures } from './figures.ts'
import type { Tracer } from './types.ts'

export type Tracing = {
  /** null: off */
  tracer: Tracer | null
  /** Sends what is left, for two seconds at most. Never rejects. */
  close: () => Promise<void>
}

export type TracingOptions = {
  /** `service.name`, unless the environment has another. */
  service: string
  /** Of new traces, 0 to 1; asked at each, as the config may change. */
  sample: () => number
  env: NodeJS.ProcessEnv
  log: Log
  metrics: Metrics
}

export const startTracing = async ({ service, sample, env, log, metrics }: TracingOptions): Promise<Tracing> => {
  const off: Tracing = { tracer: null, close: async () => {} }
  const count = createTracingFigures(metrics)
  const settings = readEnvironment(env)
  if (settings.problem !== null) log.warn(settings.problem)
  if (settings.kind === 'off') return off
  const { ratio, batches } = settings
  try {
    const { createTracing } = await import('./opentelemetry.ts')
    return createTracing({
      service,
      sample: ratio === null ? sample : () => ratio,
      batches,
      log,
      count,
    })
  } catch (error) {
    log.error('there are no traces: OpenTelemetry cannot be started with these settings', { error })
    return off
  }
}
