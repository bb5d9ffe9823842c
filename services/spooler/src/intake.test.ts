import { createLogger } from '@sluice/runtime'
import { type Accept, type AcceptMessage, createAdmission, createTidying, StoreError } from '@sluice/spool'
import { startRedis, type TestRedis } from '@sluice/testkit'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startIntake } from './intake.ts'

let server: TestRedis
let redis: Redis
let accept: AcceptMessage
beforeAll(async () => {
  server = await startRedis()
  redis = new Redis(server.url, { maxRetriesPerRequest: null })
  await redis.ping()
  accept = createAdmission({ redis, lanes: 1, now: Date.now })
})
afterAll(async () => {
  redis.disconnect()
  await server.stop()
})
beforeEach(() => redis.flushall())

const names = Array.from({ length: 20 }, (_, i) => `d${i}.test`)
const message = (id: string): Accept => {
  const to = names.map((name) => ({ address: `a@${name}` }))
  const envelope = { v: 1, id, from: 'x@y.test', to, sizeBytes: 5, body: '7bit', utf8: false, receivedAt: 1 } as const
  return {
    envelope: { ...envelope, to },
    content: { kind: 'inline', bytes: Buffer.from('hello') },
    destinations: new Map(to.map((recipient, i) => [names[i]!, [recipient]])),
  }
}
const tidying = () => createTidying({ redis, lanes: 1 })
const tasksOf = (id: string): Promise<number> => redis.exists(...names.map((name) => `sluice{00}:${name}:${id}`))

const runIntake = async (own: AcceptMessage, forgetOnce = tidying().forgetOnce) => {
  const seen = { admitted: 0, parked: 0 }
  const abort = new AbortController()
  const intake = await startIntake({
    redis,
    lanes: 1,
    accept: own,
    forgetOnce,
    log: createLogger({ level: 'error', service: 'test', destination: { write: () => {} } }),
    tracer: null,
    now: Date.now,
    signal: abort.signal,
    admitted: () => void seen.admitted++,
    parked: () => void seen.parked++,
  })
  const close = (): Promise<void> => {
    abort.abort()
    return intake.close()
  }
  return { seen, close }
}

describe('intake', () => {
  it('R-250: makes one task for each destination, until complete, also when Redis refuses some of them for a while', async () => {
    await accept(message('M'))
    let refusals = 0
    const { seen, close } = await runIntake((given) => {
      if (given.destinations.has('d7.test') && refusals++ < 3) return Promise.reject(new StoreError('refused', 'OOM'))
      return accept(given)
    })
    await expect.poll(() => seen.admitted, { timeout: 5000 }).toBe(1)
    expect(refusals).toBe(4)
    expect(await tasksOf('M')).toBe(20)
    expect(await redis.exists('sluice{00}:intake:M')).toBe(0)
    for (const name of names) expect(await redis.llen(`sluice{00}:${name}:wait`)).toBe(1)
    await close()
  })

  it('R-250: run again after one that lost its lock half-way, it admits nothing twice: neither what was delivered, nor late', async () => {
    await accept(message('M'))
    let goOn = (): void => {}
    const stuck = new Promise<void>((resolve) => {
      goOn = resolve
    })
    let runs = 0
    const { seen, close } = await runIntake(async (given) => {
      if (given.destinations.has('d9.test') && runs++ === 0) await stuck
      return accept(given)
    })
    await expect.poll(() => tasksOf('M')).toBe(19)
    await redis.del('sluice{00}:d1.test:M', 'sluice{00}:d1.test:wait', 'sluice{00}:intake:M:lock')
    await redis.lmove('sluice{00}:intake:active', 'sluice{00}:intake:wait', 'LEFT', 'LEFT')
    await redis.zadd('sluice{00}:intake:marker', 0, '0')
    await expect.poll(() => seen.admitted, { timeout: 10_000 }).toBe(1)
    await expect.poll(() => redis.exists('sluice{00}:intake:M')).toBe(0)
    expect(await tasksOf('M')).toBe(19)
    await redis.del('sluice{00}:d9.test:M', 'sluice{00}:d9.test:wait')
    goOn()
    await close()
    expect(runs).toBe(2)
    expect(await redis.exists('sluice{00}:d1.test:M', 'sluice{00}:d9.test:M')).toBe(0)
  })

  it('of several spoolers at once makes each task once', async () => {
    const [one, two] = [await runIntake(accept), await runIntake(accept)]
    await Promise.all(Array.from({ length: 60 }, (_, i) => accept(message(`M${i}`))))
    await expect.poll(() => one.seen.admitted + two.seen.admitted, { timeout: 10_000 }).toBe(60)
    for (const name of names) expect(await redis.llen(`sluice{00}:${name}:wait`)).toBe(60)
    await Promise.all([one.close(), two.close()])
  })
})
