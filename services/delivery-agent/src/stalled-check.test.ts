/** Who comes back first after an outage does not take over from those who are about to come back, too. */
import { setTimeout as sleep } from 'node:timers/promises'
import { lanePrefix } from '@sluice/contracts'
import { connectRedis } from '@sluice/runtime'
import { laneBackend } from '@sluice/spool'
import { startRedis, until } from '@sluice/testkit'
import { Queue, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { expect, it, onTestFinished } from 'vitest'
import { createPatience, patientBackend } from './stalled-check.ts'

const silent = { event: () => {}, debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }
const EVERY_MS = 100
/** Two looks are further apart than one, less than two of them. */
const LOOKS_MS = 2 * EVERY_MS
const LONG_OUTAGE_MS = 3 * LOOKS_MS

/** Redis, an agent's connection to it, and what its workers take their options from. */
const start = async () => {
  const server = await startRedis()
  const redis = connectRedis({ url: server.url, password: null }, { role: 'worker', name: 'test', log: silent })
  onTestFinished(async () => {
    redis.disconnect()
    await server.stop()
  })
  const options = {
    connection: redis,
    prefix: lanePrefix(0),
    lockDuration: EVERY_MS,
    stalledInterval: EVERY_MS,
    maxStalledCount: 9,
  }
  const backend = patientBackend(redis, LONG_OUTAGE_MS)('delivery', options, {})
  backend.on('error', () => {}) // it tells of a Redis that the test takes away, too
  return { server, redis, options, backend }
}

/** A session whose agent holds no lock on it any more, and another agent that looks. */
const startLapsed = async () => {
  const all = await start()
  const queue = new Queue('delivery', all.options, laneBackend)
  const owner = new Worker('delivery', undefined, { ...all.options, autorun: false }, laneBackend)
  queue.on('error', () => {})
  owner.on('error', () => {})
  onTestFinished(async () => void (await Promise.allSettled([owner.close(true), queue.close()])))
  await queue.add('session', { destination: 'far' }, { jobId: 'one' })
  expect((await owner.getNextJob('token', { block: false }))?.id).toBe('one')
  const look = async (): Promise<string[]> => {
    await sleep(LOOKS_MS) // the script itself looks no oftener than so
    return all.backend.moveStalledJobsToWait()
  }
  expect(await look()).toEqual([]) // from now on it is watched
  const outage = async (ms: number): Promise<void> => {
    await all.server.kill()
    await sleep(ms)
    await all.server.start()
    await until('the connection to be back', () => all.redis.status === 'ready')
  }
  return { look, outage }
}

it('the first look after a long outage takes nobody’s session over, the second one does', async () => {
  const { look, outage } = await startLapsed()
  await outage(LONG_OUTAGE_MS)
  expect(await look()).toEqual([])
  expect(await look()).toEqual(['one'])
}, 30_000)

it('while Redis is away nothing is asked, so that nothing is waiting to be asked when it is back', async () => {
  const { server, redis, backend } = await start()
  await backend.moveStalledJobsToWait()
  await server.kill()
  await until('the connection to break', () => redis.status !== 'ready')
  expect(await backend.moveStalledJobsToWait()).toEqual([])
  await server.start()
}, 30_000)

it('a connection that breaks again and again does not keep the dead from being found', async () => {
  const redis = { status: 'ready' } as Redis
  const mayLook = createPatience(redis, LONG_OUTAGE_MS)
  const looks: boolean[] = []
  for (let i = 0; i < 6; i++) {
    redis.status = i % 2 === 0 ? 'ready' : 'reconnecting'
    looks.push(mayLook())
    await sleep(EVERY_MS)
  }
  expect(looks).toEqual([true, false, true, false, true, false])
})
