/**
 * Whether and how to trace, by the environment variables of the OpenTelemetry specification. Tracing is on where an endpoint for traces
 * is named (or `OTEL_TRACES_EXPORTER=otlp` asks for the usual one), and nothing says otherwise. What is asked for and cannot be had
 * comes back as a problem in words: mail flows without traces then. Endpoint, headers, certificates, compression and time-outs are read
 * by OpenTelemetry's exporter itself.
 */
export type BatchSettings = {
  maxQueueSize: number
  maxExportBatchSize: number
  scheduledDelayMillis: number
  exportTimeoutMillis: number
}

export type TracingSettings =
  | { kind: 'off'; problem: string | null }
  | {
      kind: 'on'
      /** Of new traces, 0 to 1, as OTEL_TRACES_SAMPLER says; null: as the config says */
      ratio: number | null
      batches: BatchSettings
      problem: string | null
    }

type Environment = Readonly<Record<string, string | undefined>>

/** An empty variable counts as unset, by the specification. */
const read = (env: Environment, name: string): string | null => env[name]?.trim() || null

const readCount = (env: Environment, name: string, otherwise: number): number => {
  const value = Number(read(env, name) ?? otherwise)
  return Number.isInteger(value) && value > 0 ? value : otherwise
}

const batchesOf = (env: Environment): BatchSettings => {
  const maxQueueSize = readCount(env, 'OTEL_BSP_MAX_QUEUE_SIZE', 2048)
  return {
    maxQueueSize,
    maxExportBatchSize: Math.min(maxQueueSize, readCount(env, 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512)),
    scheduledDelayMillis: readCount(env, 'OTEL_BSP_SCHEDULE_DELAY', 5000),
    exportTimeoutMillis: readCount(env, 'OTEL_BSP_EXPORT_TIMEOUT', 30_000),
  }
}

/** Only ingress begins traces, and all others follow: so a parent-based sampler is the same as the one for its roots. */
const samplerOf = (env: Environment): { ratio: number | null; problem: string | null } => {
  const name = read(env, 'OTEL_TRACES_SAMPLER')
  const argument = read(env, 'OTEL_TRACES_SAMPLER_ARG')
  switch (name?.replace(/^parentbased_/, '')) {
    case undefined:
      return { ratio: null, problem: null }
    case 'always_on':
      return { ratio: 1, problem: null }
    case 'always_off':
      return { ratio: 0, problem: null }
    case 'traceidratio': {
      const ratio = Number(argument ?? 1)
      if (ratio >= 0 && ratio <= 1) return { ratio, problem: null }
      return { ratio: null, problem: `OTEL_TRACES_SAMPLER_ARG is no number from 0 to 1: ${argument}` }
    }
    default:
      return { ratio: null, problem: `OTEL_TRACES_SAMPLER=${name} is not known here; the config's tracing.sample holds` }
  }
}

const off = (problem: string | null = null): TracingSettings => ({ kind: 'off', problem })

export const readEnvironment = (env: Environment): TracingSettings => {
  if (read(env, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return off()
  const exporters =
    read(env, 'OTEL_TRACES_EXPORTER')
      ?.split(',')
      .map((name) => name.trim()) ?? null
  if (exporters?.includes('none') === true) return off()
  if (exporters !== null && !exporters.includes('otlp'))
    return off(`there are no traces: OTEL_TRACES_EXPORTER=${exporters.join(',')} is not known here, only otlp and none`)
  const endpoint = read(env, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT') ?? read(env, 'OTEL_EXPORTER_OTLP_ENDPOINT')
  if (exporters === null && endpoint === null) return off()
  if (endpoint !== null && !/^https?:$/.test(URL.parse(endpoint)?.protocol ?? ''))
    return off(`there are no traces: the endpoint is no http or https URL: ${endpoint}`)
  const protocol = read(env, 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL') ?? read(env, 'OTEL_EXPORTER_OTLP_PROTOCOL') ?? 'http/protobuf'
  if (protocol !== 'http/protobuf')
    return off(`there are no traces: OTLP goes out as http/protobuf here (port 4318 of a collector), not as ${protocol}`)
  return { kind: 'on', ...samplerOf(env), batches: batchesOf(env) }
}
