/** BullMQ's Workers on a Redis Cluster, over the connection that the services give them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { lanePrefix } from '@sluice/contracts'
import { connectRedis, createLogger } from '@sluice/runtime'
import { laneBackend } from '@sluice/spool'
import { startRedisCluster, until } from '@sluice/testkit'
import { Queue, Worker } from 'bullmq'
import { expect, it } from 'vitest'

/** Longer than a Worker waits for a job (5 s), and a second more: then BullMQ's watchdog resets its connection. */
const HANGS_MS = 8000
const LANES = 4

it('a Worker whose shard hung, without a failover, takes jobs again', async () => {
  const servers = await startRedisCluster({ replicas: 0, extra: ['--cluster-node-timeout', '60000'] })
  const cluster = servers.addresses.map((address) => ({ host: '127.0.0.1', port: Number(address.split(':')[1]) }))
  const log = createLogger({ level: 'error', service: 'test', destination: { write: () => {} } })
  const redis = connectRedis({ url: null, password: null, cluster }, { role: 'worker', name: 'test', log })
  const taken = new Set<string>()
  const lanes = Array.from({ length: LANES }, (_, lane) => {
    const options = { connection: redis, prefix: lanePrefix(lane) }
    const worker = new Worker('intake', async ({ data }) => void taken.add(data), { ...options, runRetryDelay: 500 }, laneBackend)
    worker.on('error', () => {}) // of the outage
    return { worker, queue: new Queue('intake', options, laneBackend) }
  })
  const addToAll = async (round: string): Promise<void> => {
    for (const [lane, { queue }] of lanes.entries()) await queue.add('job', `${round} ${lane}`)
    await until(`the jobs of ${round}`, () => lanes.every((_, lane) => taken.has(`${round} ${lane}`)))
  }
  await addToAll('before')
  for (const node of servers.nodes) node.freeze()
  await sleep(HANGS_MS)
  for (const node of servers.nodes) node.thaw()
  await addToAll('after')
  expect(taken.size).toBe(2 * LANES)
  await Promise.all(lanes.flatMap(({ worker, queue }) => [worker.close(true), queue.close()]))
  redis.disconnect()
  await servers.stop()
}, 90_000)
