import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type HealthServer, startHealthServer } from './health.ts'
import { createEventCounter, createMetrics, declareConfig } from './metrics.ts'
import type { Readiness } from './readiness.ts'

describe('figures and health', () => {
  let server: HealthServer
  let state: Readiness = { kind: 'ok' }
  const registry = createMetrics('ingress')
  const count = createEventCounter(registry, ['relay-denied'])
  const pages = { '/told': async () => ({ count: 3 }), '/broken': () => Promise.reject(new Error('redis is away')) }
  const get = (path: string) => fetch(`http://127.0.0.1:${server.address.port}${path}`)

  beforeEach(async () => {
    server = await startHealthServer({ host: '127.0.0.1', port: 0, registry, readiness: () => state, pages })
  })
  afterEach(() => server.close())

  it('/metrics shows events by name and reason; unforeseen reasons share one label', async () => {
    count('reception')
    count('rejection', 'relay-denied', 2)
    count('rejection', 'user-made-this-up')
    const text = await (await get('/metrics')).text()
    expect(text).toContain('sluice_events_total{event="reception",reason="",service="ingress"} 1')
    expect(text).toContain('sluice_events_total{event="rejection",reason="relay-denied",service="ingress"} 2')
    expect(text).toContain('sluice_events_total{event="rejection",reason="other",service="ingress"} 1')
    expect(text).toContain('sluice_events_total{event="double-bounce",reason="",service="ingress"} 0')
    expect(text).toContain('sluice_process_cpu_seconds_total')
  })

  it('/readyz says in words why not, /healthz stays well', async () => {
    expect((await get('/readyz')).status).toBe(200)
    for (const kind of ['away', 'unsafe'] as const) {
      state = { kind, reason: 'redis is not as it should be' }
      const asked = await get('/readyz')
      expect([asked.status, await asked.text()]).toEqual([503, `${kind}: redis is not as it should be\n`])
    }
    expect((await get('/healthz')).status).toBe(200)
    expect((await get('/nothing')).status).toBe(404)
  })

  it('the figures tell of a config that cannot be used, as long as it cannot', async () => {
    let refused = true
    declareConfig(registry, () => refused)
    const figure = async () => /^sluice_config_refused.* (\d)$/m.exec(await (await get('/metrics')).text())?.[1]
    expect(await figure()).toBe('1')
    refused = false
    expect(await figure()).toBe('0')
  })

  it('R-full: a full store keeps no client away: /readyz is 200 and says so, and the figure is `full`', async () => {
    state = { kind: 'full', reason: 'redis uses 9 of 10 bytes' }
    const asked = await get('/readyz')
    expect([asked.status, await asked.text()]).toEqual([200, 'full: redis uses 9 of 10 bytes\n'])
    const figures = await (await get('/metrics')).text()
    expect(figures).toContain('sluice_readiness{state="full",service="ingress"} 1')
    expect(figures).toContain('sluice_readiness{state="ok",service="ingress"} 0')
  })

  it('pages of a service’s own are JSON; one that cannot be told is 503, in words, and the process goes on', async () => {
    const told = await get('/told')
    expect([told.headers.get('content-type'), await told.json()]).toEqual(['application/json', { count: 3 }])
    const broken = await get('/broken')
    expect([broken.status, await broken.text()]).toEqual([503, 'Error: redis is away\n'])
    expect(await (await get('/nothing')).text()).toBe('here are /metrics, /healthz, /readyz, /told, /broken\n')
    expect((await get('/toString')).status).toBe(404)
  })

  it.each(['//', '//[', 'http://', '*'])(
    'a request for %s, which is no URL of ours, is answered and ends nothing',
    async (target) => {
      const socket = connect(server.address.port, '127.0.0.1')
      socket.write(`GET ${target} HTTP/1.0\r\n\r\n`)
      expect(await text(socket)).toContain('404 Not Found')
      expect((await get('/healthz')).status).toBe(200)
    },
  )

  it('a port that is taken is an error, not a silent second server', async () => {
    const options = { host: '127.0.0.1', port: server.address.port, registry, readiness: () => state }
    await expect(startHealthServer(options)).rejects.toThrow('EADDRINUSE')
  })
})
