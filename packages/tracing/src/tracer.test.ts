/** Spans as the services make them, on their way to a receiver that takes whatever comes. What it means is judged in e2e/traces. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createLogger, createMetrics } from '@sluice/runtime'
import { afterEach, expect, it } from 'vitest'
import { startTracing, type Tracer, type Tracing } from './index.ts'
import { isLate } from './late.ts'

const stops: (() => unknown)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

const start = async (sample = 1): Promise<{ tracing: Tracing; tracer: Tracer; figures: () => Promise<string> }> => {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(200).end())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  stops.push(() => server.close())
  const metrics = createMetrics('test', { processFigures: false })
  // The exporter reads its own variables from the process.
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  stops.push(() => delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT)
  const log = createLogger({ level: 'error', service: 'test', destination: { write: () => {} } })
  const tracing = await startTracing({ service: 'test', sample: () => sample, env: process.env, log, metrics })
  stops.push(() => tracing.close())
  const { tracer } = tracing
  if (tracer === null) throw new Error('tracing is off')
  return { tracing, tracer, figures: () => metrics.metrics() }
}

const TRACE = '0af7651916cd43dd8448eb211c80319c'

it('goes on with the trace of a payload', async () => {
  const { tracer } = await start(0)
  const span = tracer.resume(`00-${TRACE}-b7ad6b7169203331-01`, 'attempt', { late: false })
  expect(span?.ids.trace_id).toBe(TRACE)
  expect(span?.child('transaction').ids.trace_id).toBe(TRACE)
  expect(span?.traceparent).toBe(`00-${TRACE}-${span?.ids.span_id}-01`)
})

it('begins another one when it is late, sampled as the first was, whatever new ones are', async () => {
  const { tracer } = await start(0)
  const span = tracer.resume(`00-${TRACE}-b7ad6b7169203331-01`, 'attempt', { late: true })
  expect(span?.ids.trace_id).toMatch(/^[0-9a-f]{32}$/)
  expect(span?.ids.trace_id).not.toBe(TRACE)
})

it.each([
  undefined,
  '',
  'nonsense',
  `00-${TRACE}-b7ad6b7169203331-00`,
  `ff-${TRACE}-b7ad6b7169203331-01`,
  `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
])('has nothing to go on with in %j', async (traceparent) => {
  const { tracer } = await start()
  for (const late of [false, true]) expect(tracer.resume(traceparent, 'attempt', { late })).toBeNull()
})

it('begins no trace that is not sampled', async () => {
  const { tracer } = await start(0)
  for (let i = 0; i < 100; i++) expect(tracer.begin('reception')).toBeNull()
})

it('sends what is left when it closes, and counts it', async () => {
  const { tracing, tracer, figures } = await start()
  const span = tracer.begin('reception')
  span?.child('content').end()
  span?.end('client-gone')
  await tracing.close()
  expect(await figures()).toMatch(/^sluice_trace_spans_total\{result="exported",.*\} 2$/m)
})

it('calls late what begins more than an hour after the message came', () => {
  expect([isLate(0, 3_600_000), isLate(0, 3_600_001)]).toEqual([false, true])
})
