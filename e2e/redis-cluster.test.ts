/**
 * The spool on a Redis Cluster: three shards, sixteen lanes, real services. Mail of many destinations flows through all shards, the
 * postmaster's verbs reach them all, and a master that is killed is replaced without anybody's help.
 */
import { startRedisCluster } from '@sluice/testkit'
import { describe, expect, it } from 'vitest'
import { arrivalsOf, manyRoutes, startSpread, untilArrived } from './support/far-redis.ts'
import { eventually } from './support/gateway.ts'
import { useFarEnd, useSluice, useStarted } from './support/scene.ts'

const LANES = 16

const far = useFarEnd()
const cluster = useStarted(() => startRedisCluster(), 60_000)
const sluice = useSluice(() =>
  [`redis: { cluster: ${JSON.stringify(cluster.addresses)}, lanes: ${LANES}, wait: { replicas: 1 } }`, manyRoutes(far)].join(
    '\n',
  ),
)

const queueIsEmpty = (): Promise<true> =>
  eventually('an empty queue', async () => (await sluice.cli('queue')).stdout === 'The queue is empty.\n', 60_000, 500)

/** Lanes that hold keys, by the port of the master that holds them. */
const lanesByShard = async (): Promise<Map<number, number>> => {
  const found = new Map<number, number>()
  for (let lane = 0; lane < LANES; lane++) {
    const prefix = `sluice{${String(lane).padStart(2, '0')}}`
    const { port, client } = await cluster.masterOf(prefix)
    if ((await client.exists(`${prefix}:gateway`)) === 1) found.set(port, (found.get(port) ?? 0) + 1)
  }
  return found
}

describe('on a Redis Cluster', () => {
  it('R-250: mail of many destinations, also of several at once, arrives once through all shards', async () => {
    const load = startSpread(sluice.smtpPort, 300)
    await load.done
    const { lost, arrivals, recipients } = await untilArrived(load, far)
    expect({ lost, arrivals }).toEqual({ lost: [], arrivals: recipients })
    expect(load.refusals).toEqual([])
    await queueIsEmpty()
    const lanes = await lanesByShard()
    expect(lanes.size).toBe(3)
    expect([...lanes.values()].reduce((sum, each) => sum + each, 0)).toBe(LANES)
  })

  it('the verbs reach every lane: hold, queue, trace, retry, release', async () => {
    const names = ['r1', 'r2', 'r3', 'r4']
    for (const name of names) expect(await sluice.cli('hold', name)).toMatchObject({ code: 0 })
    const ids = await Promise.all(names.map((name) => sluice.send(`held@${name.replace('r', 'd')}.test`)))
    const { stdout } = await sluice.cli('queue', '--json')
    const { destinations } = JSON.parse(stdout) as { destinations: { destination: string; waiting: number; held: boolean }[] }
    for (const destination of names)
      expect(destinations).toContainEqual(expect.objectContaining({ destination, waiting: 1, held: true }))
    expect((await sluice.cli('trace', ids[0] ?? '')).stdout).toContain('r1')
    expect(await sluice.cli('retry', ...names)).toMatchObject({ code: 0 })
    for (const name of names) expect(await sluice.cli('release', name)).toMatchObject({ code: 0 })
    await eventually(
      'what was held',
      () => far.messages.filter(({ recipients }) => recipients[0]?.address.startsWith('held@')).length === 4,
    )
    await queueIsEmpty()
    expect((await sluice.cli('trace', ids[3] ?? '')).stdout).toContain('delivered')
  })

  it('R-451: a shard whose master is killed fails over; nothing that got a 250 is lost, and all goes on by itself', async () => {
    far.messages.length = 0
    const load = startSpread(sluice.smtpPort, 1000)
    await load.reached(300)
    const master = await cluster.masterOf('sluice{00}')
    await master.kill()
    await eventually('a readiness that names the shard', async () => {
      const { reason } = (sluice.log().findLast(({ msg }) => msg === 'mail cannot be taken') ?? {}) as { reason?: string }
      return reason?.includes(`redis shard 127.0.0.1:${master.port} (lanes `) === true || reason?.includes('CLUSTERDOWN') === true
    })
    await eventually('another master', async () => (await cluster.masterOf('sluice{00}')) !== master)
    // Without it the shard has no replica, and no 250 is given: wait asks for one.
    await master.start()
    await load.done
    const { lost, arrivals, recipients } = await untilArrived(load, far)
    expect(lost).toEqual([])
    expect(load.refusals.filter((reply) => !/^(421|451) 4\.3\./.test(reply))).toEqual([])
    // Nothing is delivered more often than a write or a turn was broken off.
    expect(arrivals - recipients).toBeLessThan(100)
    expect(arrivalsOf(load, far).lost).toEqual([])
    await queueIsEmpty()
  })
})
