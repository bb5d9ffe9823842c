/** Each script on three real shards with sixteen lanes, and what becomes of a write when a shard dies, hangs or moves. */
import { once } from 'node:events'
import { laneOf, lanePrefix } from '@sluice/contracts'
import { startRedisCluster, type TestRedisCluster, until } from '@sluice/testkit'
import { Cluster } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createAdmission,
  createContentRelease,
  createScheduling,
  createSessionClient,
  createTidying,
  createTrace,
  createVerbs,
  laneBackend,
  type SessionKey,
  StoreError,
} from './index.ts'
import { acceptOf } from './test-support/spool.ts'

const LANES = 16
const NAMES = Array.from({ length: 400 }, (_, n) => `d${n}.test`)
/** One destination for each lane. */
const BY_LANE = Array.from({ length: LANES }, (_, lane) => NAMES.find((name) => laneOf(name, LANES) === lane) ?? '')

const GRANT = {
  sessions: 2,
  siteSessions: 2,
  intervalUs: 0,
  siteIntervalUs: 0,
  class: '',
  share: 10,
  exempt: false,
  maxAgeMs: 36_000_000,
  perSession: 3,
}

let servers: TestRedisCluster
let redis: Cluster
const connect = async (): Promise<Cluster> => {
  const nodes = servers.addresses.map((address) => ({ host: '127.0.0.1', port: Number(address.split(':')[1]) }))
  const cluster = new Cluster(nodes, {
    enableOfflineQueue: false,
    retryDelayOnFailover: 0,
    redisOptions: { maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false },
  })
  cluster.on('error', () => {})
  await once(cluster, 'ready')
  // Every node connects with its first command.
  for (const lane of BY_LANE.keys()) await until('a shard', async () => (await cluster.exists(lanePrefix(lane))) === 0)
  return cluster
}

beforeAll(async () => {
  servers = await startRedisCluster()
  redis = await connect()
}, 60_000)
afterAll(async () => {
  redis.disconnect()
  await servers.stop()
})

const now = (): number => Date.now()
const admission = (on = redis, wait: { replicas: number; timeoutMs: number } | null = null) =>
  createAdmission({ redis: on, lanes: LANES, now, wait })
const countIn = (destination: string): Promise<number> =>
  redis.llen(`${lanePrefix(laneOf(destination, LANES))}:${destination}:wait`)
const fateOf = (write: Promise<void>): Promise<string> =>
  write.then(
    () => 'stored',
    (error: unknown) => (error instanceof StoreError ? error.fate : String(error)),
  )

const takeSession = async (lane: number): Promise<SessionKey | null> => {
  const backend = laneBackend('delivery', { connection: redis, prefix: lanePrefix(lane), lockDuration: 15_000 } as never)
  const [job, id] = await backend.moveToActive('token')
  if (!job || !id) return null
  return { lane, destination: JSON.parse(String(job.data)).destination, id: String(id), token: 'token', run: job.attemptsStarted }
}

describe('the spool on a Redis Cluster', () => {
  it('every script works in every lane: grant, admit, wake, next, repair, forget', async () => {
    const accept = admission()
    const scheduling = createScheduling({ redis, now })
    const sessions = createSessionClient({ redis, now, random: () => 0.5, historyMax: 100, historyKeepMs: 60_000 })
    for (const [lane, destination] of BY_LANE.entries()) {
      const grant = { ...GRANT, site: destination, until: now() + 60_000 }
      await accept(acceptOf(`M${lane}`, destination))
      await scheduling.grant(lane, destination, grant)
      await scheduling.wake(lane, 100)
      const session = await takeSession(lane)
      if (session === null) expect.unreachable(`no session in lane ${lane}`)
      const turn = await sessions.turn(session, 'start', [], { kind: 'none' })
      expect(turn).toMatchObject({ kind: 'task', task: { id: `M${lane}`, content: Buffer.from('hello') } })
      const closed = await sessions.turn(session, 'run', [{ kind: 'finish', id: `M${lane}`, history: '{}' }], { kind: 'ok' })
      expect(closed).toMatchObject({ kind: 'closed' })
      expect(await scheduling.repair(lane, destination)).toMatchObject({ tasks: 0, sessions: 0, permits: 0, due: 0 })
      await redis.del(`${lanePrefix(lane)}:grant:${destination}`)
      expect(await scheduling.forget(lane, destination)).toBe(true)
    }
  })

  it('R-250: a message with destinations in all lanes: intake, admitted once each, its content released by the last', async () => {
    const accept = admission()
    const tidying = createTidying({ redis, lanes: LANES })
    const destinations = new Map(BY_LANE.map((name) => [name, [{ address: `b@${name}` }]]))
    await accept(acceptOf('MANY', '', { destinations }))
    const lane = laneOf('MANY', LANES)
    const ref = { store: 'redis', lane, chunks: 1 } as const
    expect((await createTrace({ redis, lanes: LANES })('MANY'))?.intake?.id).toBe('MANY')
    for (let times = 0; times < 2; times++)
      for (const [destination, to] of destinations)
        await accept(
          acceptOf('MANY', destination, {
            content: { kind: 'stored', ref, sizeBytes: 5 },
            destinations: new Map([[destination, to]]),
            once: true,
          }),
        )
    await tidying.forgetOnce('MANY', BY_LANE)
    expect((await createTrace({ redis, lanes: LANES })('MANY'))?.tasks).toHaveLength(LANES)
    const { queue } = createVerbs({ redis, lanes: LANES, now })
    expect((await queue()).map(({ destination, waiting }) => `${destination} ${waiting}`).sort()).toEqual(
      BY_LANE.map((name) => `${name} 1`).sort(),
    )
    expect(await tidying.isNeeded('MANY', ref)).toBe(true)
    const release = createContentRelease({ redis })
    for (const [i, name] of BY_LANE.entries()) expect(await release(lane, 'MANY', name)).toBe(i === LANES - 1)
  })

  it('R-250: a write that a redirection leads elsewhere is stored once; a script that a new master does not know is sent in full', async () => {
    const own = await connect()
    const [destination = ''] = BY_LANE
    const before = await countIn(destination)
    const slot = await redis.cluster('KEYSLOT', lanePrefix(0))
    const right = own.slots[slot]
    own.slots[slot] = own.slots.find((keys) => keys[0] !== right?.[0]) ?? []
    expect(await fateOf(admission(own)(acceptOf('MOVED', destination)))).toBe('stored')
    await (await servers.masterOf(lanePrefix(0))).client.script('FLUSH')
    expect(await fateOf(admission(own)(acceptOf('NOSCRIPT', destination)))).toBe('stored')
    expect(await countIn(destination)).toBe(before + 2)
    own.disconnect()
  })

  it('R-250: with wait, a 250 needs the replicas; without them the fate is unknown, and the message is there', async () => {
    const destination = BY_LANE[1] ?? ''
    const master = await servers.masterOf(lanePrefix(1))
    expect(await fateOf(admission(redis, { replicas: 1, timeoutMs: 5000 })(acceptOf('W1', destination)))).toBe('stored')
    const replicas = (await master.client.info('replication')).match(/^slave\d+:.*port=(\d+)/gm) ?? []
    const frozen = servers.nodes.filter(({ port }) => replicas.some((line) => line.endsWith(`port=${port}`)))
    expect(frozen).toHaveLength(1)
    for (const node of frozen) node.freeze()
    const before = await countIn(destination)
    expect(await fateOf(admission(redis, { replicas: 1, timeoutMs: 200 })(acceptOf('W2', destination)))).toBe('unknown')
    expect(await countIn(destination)).toBe(before + 1)
    for (const node of frozen) node.thaw()
    await servers.settled()
  })

  it('R-451: a shard that hangs leaves a write unknown, one that is gone refuses; after the failover all is as before', async () => {
    const accept = admission()
    const lane = 2
    const destination = BY_LANE[lane] ?? ''
    const master = await servers.masterOf(lanePrefix(lane))
    const other = BY_LANE.find((_, each) => laneOf(BY_LANE[each] ?? '', LANES) !== lane) ?? ''
    master.freeze()
    const sent = fateOf(accept(acceptOf('SENT', destination)))
    await master.kill()
    expect(await sent).toBe('unknown')
    expect(await fateOf(accept(acceptOf('NOT-SENT', destination)))).toBe('refused')
    await until('another master', async () => (await servers.masterOf(lanePrefix(lane))) !== master)
    await until('the shard to take mail', async () => (await fateOf(accept(acceptOf('AFTER', destination)))) === 'stored')
    expect(await fateOf(accept(acceptOf('OTHER', other)))).toBe('stored')
    expect(await redis.exists(`${lanePrefix(lane)}:${destination}:NOT-SENT`)).toBe(0)
  })
})
