import { expect, it } from 'vitest'
import { createMetrics } from './metrics.ts'
import { declareRedis } from './redis-metrics.ts'

const scrape = async (ping: () => Promise<unknown>, times = 1): Promise<string> => {
  const registry = createMetrics('test', { processFigures: false })
  declareRedis(registry, ping)
  let text = ''
  for (let i = 0; i < times; i++) text = await registry.metrics()
  return text
}

it('a scrape asks Redis once, and scrapes within a second share the answer', async () => {
  let asked = 0
  const text = await scrape(() => Promise.resolve(asked++), 3)
  expect(text).toContain('sluice_redis_up{service="test"} 1')
  expect(asked).toBe(1)
})

it('a Redis that refuses, or says nothing for a second, is down', async () => {
  expect(await scrape(() => Promise.reject(new Error('away')))).toContain('sluice_redis_up{service="test"} 0')
  const text = await scrape(() => new Promise(() => {}))
  expect(text).toContain('sluice_redis_up{service="test"} 0')
  expect(text).toMatch(/sluice_redis_ping_seconds\{service="test"\} (0\.99|1\.|[2-9])/)
})
