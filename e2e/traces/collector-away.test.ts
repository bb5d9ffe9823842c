/** A collector that is away, or takes and never answers: mail does not notice, memory stays bounded, and the gateway stops in time. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { freePort } from '@sluice/testkit'
import { expect, it } from 'vitest'
import { submit } from '../support/client.ts'
import { startCollector } from '../support/collector.ts'
import { eventually, type Sluice, startSluice } from '../support/gateway.ts'
import { annaAndAllTo, useFarEnd } from '../support/scene.ts'

const MESSAGES = 60

const far = useFarEnd()

const start = (port: number, more: NodeJS.ProcessEnv = {}): Promise<Sluice> =>
  startSluice({
    config: annaAndAllTo(far),
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_BSP_SCHEDULE_DELAY: '50', ...more },
  })

const sendAll = async (sluice: Sluice, count = MESSAGES): Promise<void> => {
  const before = sluice.events('delivery').length
  for (let i = 0; i < count; i++) await submit(sluice.smtpPort, { from: 'anna@own.test', to: ['ok@far.test'] })
  await eventually('all deliveries', () => sluice.events('delivery').length === before + count)
}
const spans = async (sluice: Sluice, service: string, result: string): Promise<number> => {
  const line = new RegExp(`^sluice_trace_spans_total\\{.*result="${result}".*\\} (\\d+)$`, 'm').exec(
    await sluice.metrics(service),
  )
  return Number(line?.[1])
}
const warnings = (sluice: Sluice, service: string) =>
  sluice.log().filter((line) => line.service === service && line.msg?.startsWith('traces cannot be sent'))

it('nobody listens: all mail is delivered, one line says that traces are lost, and they are counted; later they are sent again', async () => {
  const port = await freePort()
  const sluice = await start(port, { OTEL_EXPORTER_OTLP_TIMEOUT: '300' })
  try {
    await sendAll(sluice)
    for (const service of ['ingress', 'delivery-agent']) {
      await eventually('the count', async () => (await spans(sluice, service, 'failed')) > 0)
      expect(warnings(sluice, service)).toHaveLength(1)
      expect(await spans(sluice, service, 'exported')).toBe(0)
    }
    const collector = await startCollector(port)
    try {
      await sendAll(sluice, 1)
      await eventually('a line about it', () =>
        sluice.log().some(({ service, msg }) => service === 'ingress' && msg === 'traces are sent again'),
      )
      expect(await spans(sluice, 'ingress', 'exported')).toBeGreaterThan(0)
    } finally {
      await collector.stop()
    }
  } finally {
    await sluice.stop()
  }
}, 700_000)

it('it takes and never answers: mail flows, at most a queue of spans waits, and the gateway stops within its grace time', async () => {
  const sockets: Socket[] = []
  const silent = createServer((socket) => void sockets.push(socket.on('error', () => {}).resume()))
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const sluice = await start((silent.address() as AddressInfo).port, {
    OTEL_BSP_MAX_QUEUE_SIZE: '64',
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '32',
  })
  try {
    await sendAll(sluice)
    // Each reception has four spans: of 240 at most 64 wait or are on their way.
    await eventually('the count', async () => (await spans(sluice, 'ingress', 'dropped')) >= MESSAGES * 4 - 64)
    expect(await spans(sluice, 'ingress', 'exported')).toBe(0)
    expect(sockets.length).toBeGreaterThan(0)
    expect(await sluice.pause('SIGTERM')).toBe(0)
    expect(sluice.output()).not.toContain('not done within the grace time')
  } finally {
    await sluice.stop()
    for (const socket of sockets) socket.destroy()
    silent.close()
  }
})
