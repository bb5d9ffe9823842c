import { describe, expect, it } from 'vitest'
import { readEnvironment } from './environment.ts'

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector.test:4318' }
const kindOf = (env: Record<string, string>): string => {
  const { kind, problem } = readEnvironment(env)
  return problem === null ? kind : `${kind}: ${problem}`
}

describe('the environment of OpenTelemetry', () => {
  it.each<[string, Record<string, string>]>([
    ['off', {}],
    ['off', { OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }],
    ['on', ENDPOINT],
    ['on', { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://collector.test/v1/traces' }],
    ['on', { OTEL_TRACES_EXPORTER: 'otlp' }],
    ['off', { ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' }],
    ['off', { ...ENDPOINT, OTEL_SDK_DISABLED: 'True' }],
    ['on', { ...ENDPOINT, OTEL_SDK_DISABLED: 'no' }],
    [
      'off: there are no traces: OTEL_TRACES_EXPORTER=zipkin is not known here, only otlp and none',
      { ...ENDPOINT, OTEL_TRACES_EXPORTER: 'zipkin' },
    ],
    [
      'off: there are no traces: the endpoint is no http or https URL: collector:4318',
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' },
    ],
    [
      'off: there are no traces: OTLP goes out as http/protobuf here (port 4318 of a collector), not as grpc',
      { ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
    ],
    ['on', { ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf' }],
  ])('%s with %j', (kind, env) => {
    expect(kindOf(env)).toBe(kind)
  })

  it.each<[number | null, Record<string, string>]>([
    [null, {}],
    [1, { OTEL_TRACES_SAMPLER: 'always_on' }],
    [0, { OTEL_TRACES_SAMPLER: 'parentbased_always_off' }],
    [0.01, { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.01' }],
    [0.5, { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.5' }],
    [1, { OTEL_TRACES_SAMPLER: 'traceidratio' }],
  ])('samples %j with %j', (ratio, env) => {
    expect(readEnvironment({ ...ENDPOINT, ...env })).toMatchObject({ kind: 'on', ratio, problem: null })
  })

  it.each([{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '17' }, { OTEL_TRACES_SAMPLER: 'jaeger_remote' }])(
    'tells of a sampler that it does not understand, and leaves it to the config: %j',
    (env) => {
      expect(readEnvironment({ ...ENDPOINT, ...env })).toMatchObject({
        kind: 'on',
        ratio: null,
        problem: expect.stringContaining('OTEL_TRACES_SAMPLER'),
      })
    },
  )

  it('takes the limits of batches, and no nonsense for them', () => {
    const env = { ...ENDPOINT, OTEL_BSP_MAX_QUEUE_SIZE: '100', OTEL_BSP_SCHEDULE_DELAY: 'soon', OTEL_BSP_EXPORT_TIMEOUT: '-1' }
    expect(readEnvironment(env)).toMatchObject({
      batches: { maxQueueSize: 100, maxExportBatchSize: 100, scheduledDelayMillis: 5000, exportTimeoutMillis: 30_000 },
    })
  })
})
