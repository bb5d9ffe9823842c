/**
 * Watches whether a 250 would be kept: Redis answers, has loaded, appends and syncs every write, evicts nothing, and neither
 * its memory nor a disk is near its end (R-full). One look per interval; the readiness is the last look's, so that asking costs
 * nothing. Of a cluster, every shard with a lane must be so; where a 250 waits for replicas, they must be there. Between two looks what was taken is counted against the room that the last one found: a fast client overruns no mark.
 * Once full, it takes some room below the mark to be ready again, so that readiness does not flutter.
 */
import { statfs } from 'node:fs/promises'
import type { Cluster, Redis } from 'ioredis'
import type { Log } from './log.ts'
import type { Readiness } from './readiness.ts'
import { type Shard, shardsOf } from './shards.ts'

export type DurabilityOptions = {
  /** A `command` connection. */
  redis: Redis | Cluster
  /** One key of each lane. */
  laneKeys: readonly string[]
  /** Replicas that every master must have in touch; 0 without `redis.wait`. */
  replicas: number
  /** false: neither appendonly nor appendfsync nor the eviction policy is asked for. */
  requireDurable: boolean
  /** Fraction of maxmemory beyond which Redis counts as full. */
  fullAt: number
  /** Folders whose disks must keep `minFreeBytes`; those that do not exist yet are left out. */
  diskDirectories: string[]
  minFreeBytes: number
  intervalMs: number
  log: Log
}

/** Called, it gives the last look's result: `away` before the first. */
export type DurabilityWatch = (() => Readiness) & {
  /** Bytes that may still be stored before ingress refuses more: the least of Redis and the disks; infinite without any mark. */
  roomBytes: () => number
  /** So many bytes are about to be stored. */
  taking: (bytes: number) => void
  /** Looks now; resolves to what was found. Never rejects. */
  check: () => Promise<Readiness>
  stop: () => void
}

type Facts = Map<string, string>

/** A replica speaks up every second. */
const LONGEST_LAG_S = 5

const parseInfo = (text: string): Facts =>
  new Map(
    text.split('\r\n').flatMap((line): [string, string][] => {
      const colon = line.indexOf(':')
      return colon > 0 && !line.startsWith('#') ? [[line.slice(0, colon), line.slice(colon + 1)]] : []
    }),
  )

/** Managed servers may forbid CONFIG; then INFO alone has to do, and says nothing of appendfsync. */
const readSettings = async (redis: Redis): Promise<Facts | null> => {
  try {
    const flat = (await redis.config('GET', 'append*')) as string[]
    return new Map(flat.flatMap((name, i): [string, string][] => (i % 2 === 0 ? [[name, flat[i + 1] ?? '']] : [])))
  } catch (error) {
    if (error instanceof Error && error.name === 'ReplyError') return null
    throw error
  }
}

/** `slave0:ip=…,port=…,state=online,offset=…,lag=0`: those that have the data and speak up. */
const replicasInTouch = (info: Facts): number =>
  [...info].filter(([name, value]) => {
    const lag = Number(/\blag=(\d+)/.exec(value)?.[1] ?? Number.NaN)
    return /^slave\d+$/.test(name) && value.includes('state=online') && lag <= LONGEST_LAG_S
  }).length

/** Bytes below the mark; infinite without a maxmemory. */
const redisRoom = (info: Facts, fullAt: number): number => {
  const most = Number(info.get('maxmemory'))
  return most > 0 ? most * fullAt - Number(info.get('used_memory')) : Number.POSITIVE_INFINITY
}

/** Pure: what INFO and CONFIG say about keeping mail. */
export const judgeRedis = (
  info: Facts,
  settings: Facts | null,
  options: { requireDurable: boolean; fullAt: number; replicas: number },
): Readiness => {
  if (info.get('loading') === '1') return { kind: 'away', reason: 'redis is loading its data' }
  if (info.get('role') === 'slave') return { kind: 'unsafe', reason: 'redis is a read-only replica' }
  if (options.requireDurable) {
    const policy = info.get('maxmemory_policy')
    if (info.get('aof_enabled') !== '1') return { kind: 'unsafe', reason: 'redis runs without appendonly yes' }
    if (settings !== null && settings.get('appendfsync') !== 'always') {
      return { kind: 'unsafe', reason: `redis has appendfsync ${settings.get('appendfsync')}, not always` }
    }
    if (policy !== 'noeviction') return { kind: 'unsafe', reason: `redis has maxmemory-policy ${policy}, not noeviction` }
  }
  const replicas = replicasInTouch(info)
  if (replicas < options.replicas) {
    return { kind: 'unsafe', reason: `redis has ${replicas} replicas in touch, and a 250 waits for ${options.replicas}` }
  }
  const aof = info.get('aof_last_write_status')
  if (aof !== undefined && aof !== 'ok') return { kind: 'full', reason: 'redis could not append to its file' }
  const room = redisRoom(info, options.fullAt)
  if (room <= 0) {
    const percent = Math.round(options.fullAt * 100)
    const [used, most] = [info.get('used_memory'), info.get('maxmemory')]
    return { kind: 'full', reason: `redis uses ${used} of ${most} bytes, the mark is ${percent} %` }
  }
  return { kind: 'ok' }
}

type Look = { readiness: Readiness; roomBytes: number }

const lookAtDisks = async (directories: string[], minFreeBytes: number): Promise<Look> => {
  let roomBytes = Number.POSITIVE_INFINITY
  for (const directory of directories) {
    const disk = await statfs(directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null
      throw error
    })
    if (disk === null) continue
    const freeBytes = disk.bavail * disk.bsize
    roomBytes = Math.min(roomBytes, freeBytes - minFreeBytes)
    if (roomBytes >= 0) continue
    const reason = `the disk of ${directory} has ${freeBytes} bytes free, fewer than ${minFreeBytes}`
    return { readiness: { kind: 'full', reason }, roomBytes }
  }
  return { readiness: { kind: 'ok' }, roomBytes }
}

const away = (reason: string): Look => ({ readiness: { kind: 'away', reason }, roomBytes: 0 })

const lookAtShard = async ({ name, redis }: Shard, options: DurabilityOptions, onForbidden: () => void): Promise<Look> => {
  try {
    if (redis === null) return away(`${name}it does not answer`)
    const info = parseInfo(await redis.info())
    const settings = await readSettings(redis)
    if (settings === null && options.requireDurable) onForbidden()
    const readiness = judgeRedis(info, settings, options)
    if (readiness.kind !== 'ok') return { readiness: { ...readiness, reason: name + readiness.reason }, roomBytes: 0 }
    return { readiness, roomBytes: redisRoom(info, options.fullAt) }
  } catch (error) {
    return away(name + (error instanceof Error ? error.message : String(error)))
  }
}

/** The first that is not well, else all of them with the least room. */
const worst = (looks: Look[]): Look => {
  const roomBytes = Math.min(...looks.map((each) => each.roomBytes))
  return looks.find(({ readiness }) => readiness.kind !== 'ok') ?? { readiness: { kind: 'ok' }, roomBytes }
}

const look = async (options: DurabilityOptions, onForbidden: () => void): Promise<Look> => {
  try {
    const found = await shardsOf(options.redis, options.laneKeys)
    if (found.kind === 'none') return away(found.reason)
    const shards = worst(await Promise.all(found.shards.map((shard) => lookAtShard(shard, options, onForbidden))))
    if (shards.readiness.kind !== 'ok') return shards
    return worst([shards, await lookAtDisks(options.diskDirectories, options.minFreeBytes)])
  } catch (error) {
    return away(error instanceof Error ? error.message : String(error))
  }
}

/** What Redis and a file system take for a message beyond its bytes, for the counting between two looks. */
const storedBytes = (bytes: number): number => bytes * 1.3 + 2048

/** Once full, so much must be free beyond the mark: a part of Redis's, some bytes of a disk's. */
const REDIS_SLACK = 0.05
const DISK_SLACK_BYTES = 1024 * 1024

const withSlack = (options: DurabilityOptions): DurabilityOptions => ({
  ...options,
  fullAt: options.fullAt * (1 - REDIS_SLACK),
  minFreeBytes: options.minFreeBytes + DISK_SLACK_BYTES,
})

/** Begins with a look at once; `await watch.check()` to know more than `starting`. Every change of kind is logged once. */
export const watchDurability = (options: DurabilityOptions): DurabilityWatch => {
  const { log } = options
  let current: Readiness = { kind: 'away', reason: 'starting' }
  let roomBytes = Number.POSITIVE_INFINITY
  let takenBytes = 0
  let told = false
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  const onForbidden = (): void => {
    if (!told) log.warn('this Redis forbids CONFIG: appendfsync cannot be checked; make sure it is always')
    told = true
  }
  const become = (next: Readiness): void => {
    if (next.kind !== current.kind && next.kind === 'ok') log.info('mail can be taken')
    if (next.kind !== current.kind && next.kind !== 'ok')
      log.warn('mail cannot be taken', { kind: next.kind, reason: next.reason })
    current = next
  }
  const check = async (): Promise<Readiness> => {
    takenBytes = 0
    const found = await look(current.kind === 'full' ? withSlack(options) : options, onForbidden)
    roomBytes = found.roomBytes
    become(found.readiness)
    return found.readiness
  }
  const taking = (bytes: number): void => {
    takenBytes += storedBytes(bytes)
    if (current.kind === 'ok' && takenBytes > roomBytes)
      become({ kind: 'full', reason: 'what came in since the last look would pass the mark of redis or of a disk' })
  }
  const lookAndWait = async (): Promise<void> => {
    await check()
    if (stopped) return
    timer = setTimeout(lookAndWait, options.intervalMs)
    timer.unref()
  }
  void lookAndWait()
  const stop = (): void => {
    stopped = true
    clearTimeout(timer)
  }
  const room = (): number => Math.max(0, roomBytes - takenBytes)
  return Object.assign(() => current, { roomBytes: room, taking, check, stop })
}
