/**
 * `npm run failover`: what failovers of Redis cost. A whole gateway behind three Sentinels takes mail while its master is killed, or
 * frozen, again and again; after each time every message that got a 250 must have arrived, or is lost, and nothing may hang.
 *
 *   --times N        failovers; default 20
 *   --wait N         replicas that a 250 waits for; default: a run with all 2, one with 1, one with 0
 *   --how kill|freeze    kill −9 (default), or SIGSTOP: connections stay open
 *   --lag MS         the replicas get nothing for so long before the master goes: replication that lags; default 0
 *   --messages N     sent around each failover; default 1500
 *
 * Exit code 1: something hangs, or a message is lost although its 250 waited for all replicas. Loopback only; it stops what it starts.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { connectRedis, createLogger } from '@sluice/runtime'
import { createTrace, createVerbs } from '@sluice/spool'
import { type FarEnd, startFarEnd, startRedisSentinels, type TestRedis, type TestRedisSentinels } from '@sluice/testkit'
import { idOf } from './support/accounts.ts'
import { eventually, type Sluice, startSluice } from './support/gateway.ts'
import { type Load, startLoad } from './support/load.ts'
import { allTo } from './support/scene.ts'

type Options = { times: number; how: 'kill' | 'freeze'; lagMs: number; messages: number }
type Round = {
  lost: number
  /** Neither lost nor delivered: their attempt was cut off, and they wait for the next one by schedule. */
  later: number
  /** Delivered again: the record of the first time was lost. */
  doubles: number
  /** Refused or unanswered, and delivered all the same: its client has sent it again. */
  resent: number
  /** ms from the end of the master to the next 250. */
  silentMs: number
}
type Scene = {
  far: FarEnd
  redis: TestRedisSentinels
  sluice: Sluice
  /** Nothing is due or in hand. */
  isIdle: () => Promise<boolean>
  /** Whether the spool still has a message. */
  holds: (id: string) => Promise<boolean>
}

const LIMIT_MS = 180_000
const REPLICAS = 2
/** The outages are what is played here; the gateway's own log tells of them. */
const QUIET = createLogger({ level: 'error', service: 'failover', destination: { write: () => {} } })

const account = async (load: Load, { far, holds }: Scene): Promise<Omit<Round, 'silentMs'>> => {
  const ids = far.messages.map(({ content }) => idOf(content))
  const arrived = new Set(ids)
  const taken = new Set(load.messages.flatMap(({ id }) => (id === null ? [] : [id])))
  const missing = [...taken].filter((id) => !arrived.has(id))
  const held = await Promise.all(missing.map(holds))
  const later = held.filter((isHeld) => isHeld).length
  return {
    lost: missing.length - later,
    later,
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
  if (options.lagMs === 0) return master
  // What lies unread in their sockets would still reach them, as it would not from another machine: it dies with their processes.
  for (const replica of replicas) {
    await replica.kill()
    await replica.start()
  }
  return master
}

const firstTakenAfter = async (load: Load, count: number): Promise<number> => {
  await eventually('another 250', () => load.taken() > count, LIMIT_MS, 5)
  return performance.now()
}

const failOver = async (scene: Scene, round: number, options: Options): Promise<Round> => {
  const { far, redis, sluice, isIdle } = scene
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
  await eventually('a spool with nothing due or in hand', async () => (await isIdle()) && (await isIdle()), LIMIT_MS, 200)
  return { ...(await account(load, scene)), silentMs }
}

const withScene = async <T>(wait: number, use: (scene: Scene) => Promise<T>): Promise<T> => {
  const stops: (() => unknown)[] = []
  try {
    const far = await startFarEnd()
    stops.push(far.stop)
    const redis = await startRedisSentinels({ replicas: REPLICAS })
    stops.push(redis.stop)
    const waits = wait > 0 ? `, wait: { replicas: ${wait}, timeout: 1s }` : ''
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
        ([intake, queue]) => intake.waiting === 0 && queue.every(({ waiting, active }) => waiting + active === 0),
        () => false,
      )
    const trace = createTrace({ redis: connection, lanes: 1 })
    const holds = async (id: string): Promise<boolean> => ((await trace(id))?.tasks.length ?? 0) > 0
    return await use({ far, redis, sluice, isIdle, holds })
  } finally {
    for (const stop of stops.toReversed()) await stop()
  }
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

const run = async (wait: number, options: Options): Promise<boolean> => {
  const rounds = await withScene(wait, async (scene) => {
    const done: Round[] = []
    for (let n = 0; n < options.times; n++) {
      const round = await failOver(scene, n, options)
      done.push(round)
      const seconds = (round.silentMs / 1000).toFixed(1)
      console.log(
        `  ${n + 1}: lost ${round.lost}, put off ${round.later}, doubled ${round.doubles}, sent again ${round.resent}, no 250 for ${seconds} s`,
      )
    }
    return done
  })
  const sum = (of: keyof Round): number => rounds.reduce((all, round) => all + round[of], 0)
  const silent = rounds.map(({ silentMs }) => silentMs / 1000)
  const messages = options.times * options.messages
  console.log(
    `wait for ${wait} of ${REPLICAS} | ${options.how}, replication lags by ${options.lagMs} ms | ${options.times} failovers, ${messages} messages | ` +
      `lost ${sum('lost')} (at most ${Math.max(...rounds.map(({ lost }) => lost))} at once) | put off ${sum('later')} | doubled ${sum('doubles')} | sent again ${sum('resent')} | ` +
      `no 250 for ${median(silent).toFixed(1)} s (median), ${Math.max(...silent).toFixed(1)} s (longest)`,
  )
  return wait < REPLICAS || sum('lost') === 0
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
for (const wait of values.wait === undefined ? [REPLICAS, 1, 0] : [Number(values.wait)]) kept = (await run(wait, options)) && kept
process.exit(kept ? 0 : 1)
