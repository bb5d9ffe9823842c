/** A real Collector that takes OTLP over HTTP, and what it has understood: it hands on every span as JSON to a listener of ours. */
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, prepareCollector, startProgram, waitForPort } from '@sluice/testkit'

export type Facts = Record<string, string | number | boolean>

export type CollectedSpan = {
  traceId: string
  spanId: string
  /** '' for the first of a trace. */
  parentSpanId: string
  name: string
  /** OTLP: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number
  startedAt: number
  endedAt: number
  attributes: Facts
  resource: Facts
  links: { traceId: string; spanId: string }[]
  /** OTLP: 2 is an error. */
  status: number
}

type Value = { stringValue?: string; intValue?: string; doubleValue?: number; boolValue?: boolean }
type Attribute = { key: string; value: Value }
type OtlpSpan = {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  startTimeUnixNano: string
  endTimeUnixNano: string
  attributes?: Attribute[]
  links?: { traceId: string; spanId: string }[]
  status?: { code?: number }
}
type Request = { resourceSpans: { resource: { attributes: Attribute[] }; scopeSpans: { spans: OtlpSpan[] }[] }[] }

const readValue = ({ stringValue, intValue, doubleValue, boolValue }: Value): string | number | boolean =>
  stringValue ?? (intValue === undefined ? undefined : Number(intValue)) ?? doubleValue ?? boolValue ?? ''

const factsOf = (attributes: Attribute[] = []): Facts =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, readValue(value)]))

const spansOf = ({ resourceSpans }: Request): CollectedSpan[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ traceId, spanId, name, kind, ...span }) => ({
        ...{ traceId, spanId, name, kind },
        parentSpanId: span.parentSpanId ?? '',
        startedAt: Number(span.startTimeUnixNano) / 1e6,
        endedAt: Number(span.endTimeUnixNano) / 1e6,
        attributes: factsOf(span.attributes),
        resource: factsOf(resource.attributes),
        links: (span.links ?? []).map((link) => ({ traceId: link.traceId, spanId: link.spanId })),
        status: span.status?.code ?? 0,
      })),
    ),
  )

const listen = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const configOf = (port: number, sink: number): string => `
receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:${port}" } } } }
exporters: { otlp_http: { endpoint: "http://127.0.0.1:${sink}", encoding: json, compression: none } }
service:
  telemetry: { metrics: { level: none } }
  pipelines: { traces: { receivers: [otlp], exporters: [otlp_http] } }
`

export type Collector = Awaited<ReturnType<typeof startCollector>>

/** @param port where to listen; left out: a free one */
export const startCollector = async (at?: number) => {
  const spans: CollectedSpan[] = []
  const sink = createServer(async (request, response) => {
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece)
    spans.push(...spansOf(JSON.parse(Buffer.concat(pieces).toString())))
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  const folder = await mkdtemp(join(tmpdir(), 'sluice-collector-'))
  const config = join(folder, 'collector.yaml')
  const port = at ?? (await freePort())
  await writeFile(config, configOf(port, await listen(sink)))
  const program = await startProgram(await prepareCollector(), ['--config', config])
  await waitForPort(port, program)
  return {
    /** Newest last. */
    spans,
    /** What a gateway needs to send its traces here, without the usual delay. */
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_BSP_SCHEDULE_DELAY: '100' },
    stop: async (): Promise<void> => {
      await program.stop('SIGTERM')
      sink.closeAllConnections()
      sink.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
