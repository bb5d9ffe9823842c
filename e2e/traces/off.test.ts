/** What tracing costs where nobody asked for it: nothing is loaded, and no payload has a byte more. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it } from 'vitest'
import { submit } from '../support/client.ts'
import { eventually, type Sluice, startSluice } from '../support/gateway.ts'
import { annaAndAllTo, useFarEnd, useStarted } from '../support/scene.ts'
import { openSpool } from '../support/spool.ts'

const far = useFarEnd()
const notes = useStarted(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-imports-'))
  return { file: join(folder, 'imports'), stop: () => rm(folder, { recursive: true, force: true }) }
})

/** Mail to two destinations, one of which waits, through a gateway whose imports are written down. */
const tryOut = async (env: NodeJS.ProcessEnv): Promise<{ imports: string; payload: string; lines: string }> => {
  await writeFile(notes.file, '')
  const preload = `--import=${pathToFileURL(join(import.meta.dirname, 'note-imports.ts'))}`
  const sluice: Sluice = await startSluice({
    config: annaAndAllTo(far),
    env: { NODE_OPTIONS: preload, SLUICE_TEST_IMPORTS: notes.file, ...env },
  })
  const spool = await openSpool(sluice.folder)
  try {
    const id = await submit(sluice.smtpPort, { from: 'anna@own.test', to: ['tempfail@far.test', 'anna@own.test'] })
    await eventually('it to wait', async () => (await spool.trace(id)).tasks.some(({ state }) => state === 'delayed'))
    await eventually('the delivery', () => sluice.events('delivery').length > 0)
    const payload = (await spool.redis.hget(`sluice{00}:far:${id}`, 'data')) ?? ''
    const lines = sluice.log().filter((line) => line.id === id)
    return { imports: await readFile(notes.file, 'utf8'), payload, lines: JSON.stringify(lines) }
  } finally {
    await spool.stop()
    await sluice.stop()
  }
}

/** So that it is seen that the tests below would see something. */
it('on, three services load OpenTelemetry, and payloads carry a traceparent', async () => {
  const { imports, payload, lines } = await tryOut({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' })
  for (const service of ['ingress', 'spooler', 'delivery-agent'])
    expect(imports).toMatch(new RegExp(`/${service}/\\S+ @opentelemetry/sdk-trace`))
  expect(JSON.parse(payload).trace).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
  expect(lines).toContain('"trace_id":"')
})

it.each<[string, NodeJS.ProcessEnv]>([
  ['no variable is set', {}],
  ['OTEL_SDK_DISABLED says so', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_SDK_DISABLED: 'true' }],
])('off, as %s: no service loads a module of OpenTelemetry, payloads have no trace, and lines no IDs of one', async (_, env) => {
  const { imports, payload, lines } = await tryOut(env)
  expect(imports).toBe('')
  expect(payload).toContain('"v":1')
  expect(payload).not.toContain('trace')
  expect(lines).toContain('"event":"delivery"')
  expect(lines).not.toContain('trace_id')
})
