/**
 * `npm run failover`: what failovers of Redis cost. A whole gateway behind three Sentinels takes mail while its master is killed, or
 * frozen, again and again; after each time every message that got a 250 must have arrived, or is lost, and nothing may hang.
 *
 *   --times N        failovers; default 20
 *   --wait on|off    whether a 250 waits for a replica; default: one run with, one without
 *   --how kill|freeze    kill −9 (default), or SIGSTOP: connections stay open
 *   --lag MS         the replicas stand still for so long before the master goes: replication that lags; default 0
 *   --messages N     sent around each failover; default 1500
 *
 * Exit code 1: something hangs, or a message is lost although its 250 waited. Loopback only; it stops what it starts.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { connectRedis, createLogger } from '@sluice/runtime'
import { createVerbs } from '@sluice/spool'
import { type FarEnd, startFarEnd, startRedisSentinels, type TestRedis, type TestRedisSentinels } from '@sluice/testkit'
import { idOf } from './support/accounts.ts'
import { eventually, type Sluice, startSluice } from './support/gateway.ts'
import { type Load, startLoad } from './support/load.ts'
import { allTo } from './support/scene.ts'

type Options = { times: number; how: 'kill' | 'freeze'; lagMs: number; messages: number }
type Round = {
  lost: number
  /** Delivered again: the record of the first time was lost. */
  doubles: number
  /** Refused or unanswered, and delivered all the same: its client has sent it again. */
  resent: number
  /** ms from the end of the master to the next 250. */
  silentMs: number
}
type Scene = { far: FarEnd; redis: TestRedisSentinels; sluice: Sluice; isIdle: () => Promise<boolean> }

const LIMIT_MS = 180_000
/** The outages are what is played here; the gateway's own log tells of them. */
const QUIET = createLogger({ level: 'error', service: 'failover', destination: { write: () => {} } })

const account = (load: Load, far: FarEnd): Omit<Round, 'silentMs'> => {
  const ids = far.messages.map(({ content }) => idOf(content))
  const arrived = new Set(ids)
  const taken = new Set(load.messages.flatMap(({ id }) => (id === null ? [] : [id])))
  return {
    lost: [...taken].filter((id) => !arrived.has(id)).length,
    doubles: ids.length - arrived.size,
    resent: [...arrived].filter((id) => !taken.has(id)).length,
  }
}

/** The end of the master, with its replicas as far behind as asked for. */
const takeDown = async (redis: TestRedisSentinels, options: Options): Promise<TestRedis> => {
  const master = await redis.master()
  const replicas = redis.servers.filter((server) => server !== master)
  if (options.lagMs > 0) {
    for (const replica of replicas) replica.freeze()
    await sleep(options.lagMs)
  }
  if (options.how === 'kill') await master.kill()
  else master.freeze()
  for (const replica of replicas) replica.thaw()
  return master
}

const firstTakenAfter = async (load: Load, count: number): Promise<number> => {
  await eventually('another 250', () => load.taken() > count, LIMIT_MS, 5)
  return performance.now()
}

const failOver = async ({ far, redis, sluice, isIdle }: Scene, round: number, options: Options): Promise<Round> => {
  await redis.settled()
  far.messages.length = 0
  const load = startLoad({ port: sluice.smtpPort, count: options.messages, to: (n) => `m${round}-${n}@far.test` })
  await load.reached(Math.floor(options.messages / 4))
  const master = await takeDown(redis, options)
  const goneAt = performance.now()
  const next = firstTakenAfter(load, load.taken())
  await redis.failedOver(master)
  if (options.how === 'kill') await master.start()
  else master.thaw()
  const silentMs = (await next) - goneAt
  let done = false
  void load.done.then(() => {
    done = true
  })
  await eventually('every message to be taken', () => done, LIMIT_MS)
  // Twice: a notice comes into one queue before its cause leaves another.
  await eventually('an empty spool', async () => (await isIdle()) && (await isIdle()), LIMIT_MS, 200)
  return { ...account(load, far), silentMs }
}

const withScene = async <T>(wait: boolean, use: (scene: Scene) => Promise<T>): Promise<T> => {
  const stops: (() => unknown)[] = []
  try {
    const far = await startFarEnd()
    stops.push(far.stop)
    const redis = await startRedisSentinels({ replicas: 2 })
    stops.push(redis.stop)
    const waits = wait ? ', wait: { replicas: 1, timeout: 1s }' : ''
    const sluice = await startSluice({
      config: `redis: { sentinels: ${JSON.stringify(redis.addresses)}${waits} }\n${allTo(far)}`,
    })
    stops.push(sluice.stop)
    const sentinels = redis.addresses.map((address) => ({ host: '127.0.0.1', port: Number(address.split(':')[1]) }))
    const connection = connectRedis({ url: null, password: null, sentinels }, { role: 'command', name: 'failover', log: QUIET })
    stops.push(() => connection.disconnect())
    const verbs = createVerbs({ redis: connection, lanes: 1, now: Date.now })
    const isIdle = async (): Promise<boolean> =>
      await Promise.all([verbs.intake(), verbs.queue()]).then(
        ([intake, queue]) => intake.waiting === 0 && queue.length === 0,
        () => false,
      )
    return await use({ far, redis, sluice, isIdle })
  } finally {
    for (const stop of stops.toReversed()) await stop()
  }
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

const run = async (wait: boolean, options: Options): Promise<boolean> => {
  const rounds = await withScene(wait, async (scene) => {
    const done: Round[] = []
    for (let n = 0; n < options.times; n++) {
      const round = await failOver(scene, n, options)
      done.push(round)
      const seconds = (round.silentMs / 1000).toFixed(1)
      console.log(`  ${n + 1}: lost ${round.lost}, doubled ${round.doubles}, sent again ${round.resent}, no 250 for ${seconds} s`)
    }
    return done
  })
  const sum = (of: keyof Round): number => rounds.reduce((all, round) => all + round[of], 0)
  const silent = rounds.map(({ silentMs }) => silentMs / 1000)
  const messages = options.times * options.messages
  console.log(
    `wait ${wait ? 'on ' : 'off'} | ${options.how}, replicas stand still for ${options.lagMs} ms | ${options.times} failovers, ${messages} messages | ` +
      `lost ${sum('lost')} (at most ${Math.max(...rounds.map(({ lost }) => lost))} at once) | doubled ${sum('doubles')} | sent again ${sum('resent')} | ` +
      `no 250 for ${median(silent).toFixed(1)} s (median), ${Math.max(...silent).toFixed(1)} s (longest)`,
  )
  return !wait || sum('lost') === 0
}

const { values } = parseArgs({
  options: {
    times: { type: 'string', default: '20' },
    wait: { type: 'string' },
    how: { type: 'string', default: 'kill' },
    lag: { type: 'string', default: '0' },
    messages: { type: 'string', default: '1500' },
  },
})
const options: Options = {
  times: Number(values.times),
  how: values.how === 'freeze' ? 'freeze' : 'kill',
  lagMs: Number(values.lag),
  messages: Number(values.messages),
}
let kept = true
for (const wait of values.wait === undefined ? [true, false] : [values.wait === 'on']) kept = (await run(wait, options)) && kept
process.exit(kept ? 0 : 1)
