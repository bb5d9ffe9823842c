/** What tracing costs where nobody asked for it: nothing is loaded, and no payload has a byte more. */
import { expect, it } from 'vitest'
import { submit } from '../support/client.ts'
import { eventually, startSluice } from '../support/gateway.ts'
import { type Import, importsOf, SERVICES, startImports } from '../support/imports.ts'
import { annaAndAllTo, useFarEnd, useStarted } from '../support/scene.ts'
import { openSpool } from '../support/spool.ts'

const far = useFarEnd()
const notes = useStarted(startImports)

/**
 * Modules of OpenTelemetry. Left out is what prom-client asks for: it takes the API, and nothing else, for exemplars of its own,
 * whether anything is traced or not.
 */
const tracingIn = (imports: readonly Import[]): string[] =>
  imports
    .filter(({ specifier, parent }) => specifier.startsWith('@opentelemetry/') && !parent.includes('/prom-client/'))
    .map(({ specifier }) => specifier)

/** Mail to two destinations, one of which waits, through a gateway whose imports are written down. */
const tryOut = async (env: NodeJS.ProcessEnv): Promise<{ imports: Import[]; payload: string; lines: string }> => {
  await notes.forget()
  const sluice = await startSluice({ config: annaAndAllTo(far), env: { ...notes.env, ...env } })
  const spool = await openSpool(sluice.folder)
  try {
    const id = await submit(sluice.smtpPort, { from: 'anna@own.test', to: ['tempfail@far.test', 'anna@own.test'] })
    await eventually('it to wait', async () => (await spool.trace(id)).tasks.some(({ state }) => state === 'delayed'))
    await eventually('the delivery', () => sluice.events('delivery').length > 0)
    const payload = (await spool.redis.hget(`sluice{00}:far:${id}`, 'data')) ?? ''
    const lines = sluice.log().filter((line) => line.id === id)
    return { imports: await notes.all(), payload, lines: JSON.stringify(lines) }
  } finally {
    await spool.stop()
    await sluice.stop()
  }
}

/** So that it is seen that the tests below would see something. */
it('on, three services load OpenTelemetry, and payloads carry a traceparent', async () => {
  const { imports, payload, lines } = await tryOut({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' })
  for (const service of ['ingress', 'spooler', 'delivery-agent'] as const)
    expect(tracingIn(importsOf(service, imports)), service).toContain('@opentelemetry/sdk-trace')
  expect(JSON.parse(payload).trace).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
  expect(lines).toContain('"trace_id":"')
})

it.each<[string, NodeJS.ProcessEnv]>([
  ['no variable is set', {}],
  ['OTEL_SDK_DISABLED says so', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_SDK_DISABLED: 'true' }],
])('off, as %s: no service loads a module of OpenTelemetry, payloads have no trace, and lines no IDs of one', async (_, env) => {
  const { imports, payload, lines } = await tryOut(env)
  for (const service of SERVICES) expect(importsOf(service, imports).length, service).toBeGreaterThan(0)
  expect(tracingIn(imports)).toEqual([])
  expect(payload).toContain('"v":1')
  expect(payload).not.toContain('trace')
  expect(lines).toContain('"event":"delivery"')
  expect(lines).not.toContain('trace_id')
})
