import { setTimeout as sleep } from 'node:timers/promises'
import { lanePrefix } from '@sluice/contracts'
import { connectRedis } from '@sluice/runtime'
import { laneBackend } from '@sluice/spool'
import { startRedis, type TestRedis, until } from '@sluice/testkit'
import { Queue } from 'bullmq'
import { expect, it, onTestFinished } from 'vitest'
import { startSessionWorkers } from './session-worker.ts'

const silent = { event: () => {}, debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }

/** An agent with one place, and two sessions that wait for it. */
const start = async (runSession: (id: string, server: TestRedis) => Promise<void>, isAtStake = () => false) => {
  const server = await startRedis()
  const redis = connectRedis({ url: server.url, password: null }, { role: 'worker', name: 'test', log: silent })
  const queue = new Queue('delivery', { connection: server.client, prefix: lanePrefix(0) }, laneBackend)
  queue.on('error', () => {}) // it tells of a Redis that the test takes away, too
  const run = ({ key }: { key: { id: string } }) => runSession(key.id, server)
  const workers = await startSessionWorkers({ redis, lanes: 1, concurrency: 1, runSession: run, isAtStake, log: silent })
  await queue.addBulk(['first', 'second'].map((jobId) => ({ name: 'session', data: { destination: 'far' }, opts: { jobId } })))
  onTestFinished(async () => {
    redis.disconnect()
    await queue.close()
    await server.stop()
  })
  return { server, workers }
}

it('an agent that stops ends a session that it was taking just then, however long that lasts', async () => {
  const told: string[] = []
  const { server, workers } = await start(async (id, redis) => {
    told.push(`${id} begins`)
    if (id === 'first') redis.freeze()
    else await sleep(5000)
    told.push(`${id} ends`)
  })
  await until('the first session to end', () => told.length === 2)
  // The call that takes the second one is on its way by now: Redis hesitates.
  await sleep(100)
  const closing = workers.close().then(() => void told.push('closed'))
  await sleep(500)
  expect(told).toEqual(['first begins', 'first ends'])
  server.thaw()
  await closing
  expect(told).toEqual(['first begins', 'first ends', 'second begins', 'second ends', 'closed'])
}, 30_000)

it('an agent that stops while Redis is away waits for it as long as something is at stake, else as long as a lock lasts', async () => {
  const atStake = { yes: true }
  const never = Promise.withResolvers<void>()
  const begun: string[] = []
  const { server, workers } = await start(
    (id) => {
      begun.push(id)
      return never.promise
    },
    () => atStake.yes,
  )
  await until('the first session to begin', () => begun.length === 1)
  await server.kill()
  let isClosed = false
  const closing = workers.close().then(() => {
    isClosed = true
  })
  await sleep(19_000)
  expect(isClosed).toBe(false)
  atStake.yes = false
  await until('the agent to give up', () => isClosed, 5000)
  await closing
  never.resolve()
}, 60_000)
