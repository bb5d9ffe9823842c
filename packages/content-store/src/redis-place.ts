/**
 * Contents in Redis, in numbered pieces. Each piece is written in one transaction with its entry in the lane's index, so that
 * no piece is ever without an entry and the sweep finds whatever a crash left. Pieces are written in order and removed all at
 * once: what is there is always 0 … n without a gap.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ContentRef } from '@sluice/contracts'
import type { Cluster, Redis } from 'ioredis'
import { ContentError } from './errors.ts'
import { contentsKey, pieceKey, pieceKeys } from './keys.ts'
import type { IsNeeded, Place, Sink } from './place.ts'

export type ContentRedis = Pick<Redis | Cluster, 'multi' | 'get' | 'set' | 'getBuffer' | 'exists' | 'zadd' | 'zrange'>
export type RedisPlaceOptions = { redis: ContentRedis; lanePrefix: (lane: number) => string; lanes: number; now: () => number }
type RedisRef = Extract<ContentRef, { store: 'redis' }>

/** Entries looked at in one call of the sweep. */
const PAGE = 100
/** Longer than a failover takes with usual settings. */
const PATIENCE_MS = 60_000
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2000

const check = (results: [Error | null, unknown][] | null): void => {
  if (results === null) throw new Error('the transaction was given up')
  for (const [fault] of results) if (fault !== null) throw fault
}

const countPieces = async ({ redis }: RedisPlaceOptions, prefix: string, id: string): Promise<number> => {
  let pieces = 0
  while ((await redis.exists(pieceKey(prefix, id, pieces))) === 1) pieces++
  return pieces
}

const removePieces = async ({ redis }: RedisPlaceOptions, prefix: string, id: string, pieces: number): Promise<void> => {
  const transaction = redis.multi()
  if (pieces > 0) transaction.unlink(...pieceKeys(prefix, id, pieces))
  check(await transaction.zrem(contentsKey(prefix), id).exec())
}

const openSink = (options: RedisPlaceOptions, id: string, lane: number): Sink => {
  const prefix = options.lanePrefix(lane)
  let chunks = 0
  return {
    append: async (piece) => {
      const key = pieceKey(prefix, id, chunks++)
      const transaction = options.redis.multi().zadd(contentsKey(prefix), options.now(), id).set(key, piece)
      check(await transaction.exec())
    },
    seal: async () => ({ store: 'redis', lane, chunks }),
    discard: () => removePieces(options, prefix, id, chunks),
  }
}

/**
 * Reading again does no harm, so a reader waits out a restart or a failover: its far end has time, and a message put off because of
 * our own Redis would wait for its next attempt.
 */
const fetchPatiently = async (redis: ContentRedis, key: string): Promise<Buffer | null> => {
  const lateAt = performance.now() + PATIENCE_MS
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
    try {
      return await redis.getBuffer(key)
    } catch (fault) {
      if (performance.now() + pauseMs > lateAt) throw fault
      await sleep(pauseMs)
    }
  }
}

/** Fetches one piece ahead: two are in memory at most. */
async function* readPieces(options: RedisPlaceOptions, id: string, ref: RedisRef): AsyncIterable<Buffer> {
  const prefix = options.lanePrefix(ref.lane)
  const fetch = (piece: number): Promise<Buffer | null> => {
    const fetched = fetchPatiently(options.redis, pieceKey(prefix, id, piece))
    fetched.catch(() => {}) // thrown where it is awaited
    return fetched
  }
  let ahead = fetch(0)
  for (let piece = 0; piece < ref.chunks; piece++) {
    const bytes = await ahead
    if (bytes === null) throw new ContentError('missing', `piece ${piece + 1} of ${ref.chunks} of content ${id} is not in Redis`)
    if (piece + 1 < ref.chunks) ahead = fetch(piece + 1)
    yield bytes
  }
}

const sweepLane = async (options: RedisPlaceOptions, lane: number, before: number, isNeeded: IsNeeded): Promise<number> => {
  const prefix = options.lanePrefix(lane)
  const index = contentsKey(prefix)
  let removed = 0
  for (;;) {
    const ids = await options.redis.zrange(index, '-inf', `(${before}`, 'BYSCORE', 'LIMIT', 0, PAGE)
    if (ids.length === 0) return removed
    for (const id of ids) {
      const chunks = await countPieces(options, prefix, id)
      if (await isNeeded(id, { store: 'redis', lane, chunks })) {
        // Looked at again when this much time has passed once more; XX: unless it was removed meanwhile.
        await options.redis.zadd(index, 'XX', options.now(), id)
        continue
      }
      await removePieces(options, prefix, id, chunks)
      removed++
    }
  }
}

export const createRedisPlace = (options: RedisPlaceOptions): Place<RedisRef> => ({
  open: async (id, lane) => openSink(options, id, lane),
  pieces: (id, ref) => readPieces(options, id, ref),
  remove: (id, ref) => removePieces(options, options.lanePrefix(ref.lane), id, ref.chunks),
  sweep: async (before, isNeeded) => {
    let removed = 0
    for (let lane = 0; lane < options.lanes; lane++) removed += await sweepLane(options, lane, before, isNeeded)
    return removed
  },
})
