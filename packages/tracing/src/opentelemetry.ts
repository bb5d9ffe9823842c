/** Tracing by OpenTelemetry's SDK: loaded only where tracing is on, and nowhere else is anything of it imported. */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Context,
  type Span as OpenTelemetrySpan,
  type Tracer as OpenTelemetryTracer,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api'
import { parseTraceParent } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import { TracerProvider } from '@opentelemetry/sdk-trace'
import type { Log } from '@sluice/runtime'
import type { BatchSettings } from './environment.ts'
import { createSpanProcessor } from './export.ts'
import type { CountSpans } from './figures.ts'
import { createSampler } from './sampler.ts'
import type { Tracing } from './start-tracing.ts'
import type { SpanKind as Kind, Span, SpanOptions, Tracer } from './types.ts'

/** What is not sent by then is lost: a service that stops has better things to do. */
const CLOSE_MS = 2000
/** A collector that did not answer the last time gets one more chance, and no patience. */
const CLOSE_AWAY_MS = 200
/** Replies and reasons are cut; nothing else of a span grows with what a far end says. */
const MOST_CHARACTERS = 1024

const KINDS: Record<Kind, SpanKind> = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
}

const optionsOf = ({ kind = 'internal', attributes, startedAt }: SpanOptions) => ({
  kind: KINDS[kind],
  ...(attributes === undefined ? {} : { attributes }),
  ...(startedAt === undefined ? {} : { startTime: startedAt }),
})

const wrap = (tracer: OpenTelemetryTracer, span: OpenTelemetrySpan): Span => {
  const { traceId, spanId } = span.spanContext()
  let context: Context | null = null
  return {
    traceparent: `00-${traceId}-${spanId}-01`,
    ids: { trace_id: traceId, span_id: spanId },
    child: (name, options = {}) => {
      context ??= trace.setSpan(ROOT_CONTEXT, span)
      return wrap(tracer, tracer.startSpan(name, optionsOf(options), context))
    },
    set: (attributes) => void span.setAttributes(attributes),
    end: (error = null, endedAt) => {
      if (error !== null) span.setAttribute('error.type', error).setStatus({ code: SpanStatusCode.ERROR })
      span.end(endedAt)
    },
  }
}

/** null: there is none, it is not understood, or whoever began the trace did not sample it */
const sampledContext = (traceparent: string | undefined): SpanContext | null => {
  const parsed = traceparent === undefined ? null : parseTraceParent(traceparent)
  return parsed !== null && (parsed.traceFlags & TraceFlags.SAMPLED) !== 0 ? { ...parsed, isRemote: true } : null
}

const createTracer = (tracer: OpenTelemetryTracer): Tracer => {
  const started = (span: OpenTelemetrySpan): Span | null => (span.isRecording() ? wrap(tracer, span) : null)
  return {
    begin: (name, options = {}) => started(tracer.startSpan(name, optionsOf(options), ROOT_CONTEXT)),
    resume: (traceparent, name, { late, ...options }) => {
      const before = sampledContext(traceparent)
      if (before === null) return null
      if (late) return started(tracer.startSpan(name, { ...optionsOf(options), links: [{ context: before }] }, ROOT_CONTEXT))
      return started(tracer.startSpan(name, optionsOf(options), trace.setSpanContext(ROOT_CONTEXT, before)))
    },
  }
}

export type OpenTelemetryOptions = {
  service: string
  sample: () => number
  batches: BatchSettings
  log: Log
  count: CountSpans
}

export const createTracing = ({ service, sample, batches, log, count }: OpenTelemetryOptions): Tracing => {
  const own = resourceFromAttributes({
    'service.name': service,
    'service.namespace': 'sluice',
    'service.instance.id': randomUUID(),
    'host.name': hostname(),
  })
  const { processor, isAway } = createSpanProcessor({ exporter: new OTLPTraceExporter(), batches, log, count })
  const provider = new TracerProvider({
    // What the environment says wins.
    resource: defaultResource()
      .merge(own)
      .merge(detectResources({ detectors: [envDetector] })),
    sampler: createSampler(sample),
    spanLimits: { attributeValueLengthLimit: MOST_CHARACTERS },
    spanProcessors: [processor],
  })
  return {
    tracer: createTracer(provider.getTracer('sluice')),
    close: () => {
      const patience = sleep(isAway() ? CLOSE_AWAY_MS : CLOSE_MS, undefined, { ref: false })
      return Promise.race([provider.shutdown().catch(() => {}), patience])
    },
  }
}
