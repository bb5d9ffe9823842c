/**
 * The servers that keep the spool, one by one: a lone master, or of a cluster the masters of the shards on which lanes lie. What is
 * asked about durability must be asked of each.
 */
import { Cluster, type Redis } from 'ioredis'
import { formatAddress } from './units.ts'

export type Shard = {
  /** Stands before a reason; empty for a lone master. */
  name: string
  /** null: the cluster names it, but no connection to it stands. */
  redis: Redis | null
}

export type Shards = { kind: 'shards'; shards: Shard[] } | { kind: 'none'; reason: string }

const SLOTS = 16_384

/** CRC16 (XMODEM) of a key's hash tag, as the Redis Cluster specification has it. */
export const slotOf = (key: string): number => {
  const tag = /\{([^}]+)\}/.exec(key)?.[1] ?? key
  let crc = 0
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : ((crc << 1) ^ 0x1021) & 0xffff
  }
  return (crc & 0xffff) % SLOTS
}

const shown = (host: string, port: number, lanes: number[]): string =>
  `redis shard ${formatAddress({ host, port })} (lane${lanes.length === 1 ? '' : 's'} ${lanes.join(', ')}): `

const askMap = (redis: Redis | Cluster) => redis.cluster('SLOTS')

/** From whoever answers: the cluster itself would choose at random, perhaps the very node that is gone. */
const mapOf = async (redis: Cluster): ReturnType<typeof askMap> => {
  for (const node of redis.nodes()) {
    const ranges = node.status === 'ready' ? await askMap(node).catch(() => null) : null
    if (ranges !== null) return ranges
  }
  return askMap(redis) // No node is connected yet.
}

/** @param keys one key of each lane */
export const shardsOf = async (redis: Redis | Cluster, keys: readonly string[]): Promise<Shards> => {
  if (!(redis instanceof Cluster)) return { kind: 'shards', shards: [{ name: '', redis }] }
  const ranges = await mapOf(redis)
  const lanesOf = new Map<string, { host: string; port: number; lanes: number[] }>()
  for (const [lane, key] of keys.entries()) {
    const slot = slotOf(key)
    const range = ranges.find(([first, last]) => first <= slot && slot <= last)
    const master = range?.[2]
    if (master === undefined) return { kind: 'none', reason: `no shard of the redis cluster serves lane ${lane} (slot ${slot})` }
    const [host, port] = master
    const found = lanesOf.get(`${host}:${port}`) ?? { host, port, lanes: [] }
    found.lanes.push(lane)
    lanesOf.set(`${host}:${port}`, found)
  }
  const nodes = redis.nodes('master')
  const shards = [...lanesOf.values()].map(({ host, port, lanes }): Shard => {
    const node = nodes.find(({ options }) => options.host === host && options.port === port)
    return { name: shown(host, port, lanes), redis: node ?? null }
  })
  // A connection that broke is forgotten; a look at the map makes it anew.
  if (shards.some((shard) => shard.redis === null)) redis.refreshSlotsCache()
  return { kind: 'shards', shards }
}
