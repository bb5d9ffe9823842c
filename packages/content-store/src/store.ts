/**
 * The content store of one process: writes to the configured kind, reads and removes both kinds, so that a change of the
 * configuration leaves no content behind. Write faults reject with a ContentError that names the cause; nothing is resent.
 */
import type { ContentStore } from './content.ts'
import { ContentError, storeFailure } from './errors.ts'
import { createFilePlace } from './file-place.ts'
import type { Sink } from './place.ts'
import { type ContentRedis, createRedisPlace } from './redis-place.ts'
import { createWriter } from './writer.ts'

export type ContentStoreOptions = {
  /** One connection, without offline queue and without resending: what it cannot send at once is an error at once. */
  redis: ContentRedis
  /** The prefix of a lane's keys, e.g. `sluice{00}`. */
  lanePrefix: (lane: number) => string
  lanes: number
  /** Where content above the threshold goes. */
  store: 'redis' | 'file'
  /** Content of up to this many bytes stays in memory and is returned `inline`. */
  thresholdBytes: number
  /** Size of a piece, in Redis and in memory; 256 KiB unless told. */
  chunkBytes?: number
  /** Root of the file store. It need not exist. */
  directory: string
  /** ms since the epoch */
  now?: () => number
  /** Told of bytes that went to a store, or came from one whole. For figures. */
  told?: (store: 'redis' | 'file', operation: 'written' | 'read', bytes: number) => void
}

/** A place whose sinks tell of what they take. */
const opened = async (sink: Promise<Sink>, told: (bytes: number) => void): Promise<Sink> => {
  const { append, ...rest } = await sink
  return {
    ...rest,
    append: async (piece) => {
      await append(piece)
      told(piece.length)
    },
  }
}

async function* counted(id: string, pieces: AsyncIterable<Buffer>, sizeBytes: number, whole: () => void): AsyncIterable<Buffer> {
  let readBytes = 0
  try {
    for await (const piece of pieces) {
      readBytes += piece.length
      if (readBytes > sizeBytes) break
      yield piece
    }
  } catch (fault) {
    throw storeFailure(`read content ${id}`, fault)
  }
  if (readBytes === sizeBytes) return whole()
  const found = readBytes > sizeBytes ? 'more' : `${readBytes}`
  throw new ContentError('short', `content ${id} was stored with ${sizeBytes} bytes, but ${found} are there`)
}

export const createContentStore = (options: ContentStoreOptions): ContentStore => {
  const now = options.now ?? Date.now
  const chunkBytes = options.chunkBytes ?? 256 * 1024
  const redis = createRedisPlace({ redis: options.redis, lanePrefix: options.lanePrefix, lanes: options.lanes, now })
  const file = createFilePlace({ directory: options.directory, chunkBytes })
  const place = options.store === 'redis' ? redis : file
  const told = options.told ?? (() => {})
  const open = (id: string, lane: number): Promise<Sink> =>
    opened(place.open(id, lane), (bytes) => told(options.store, 'written', bytes))
  return {
    stage: (id, lane) => createWriter({ id, thresholdBytes: options.thresholdBytes, chunkBytes, open: () => open(id, lane) }),
    read: (id, ref, sizeBytes) => {
      if (ref.store === 'inline') throw new Error(`content ${id} lies with its task`)
      const pieces = ref.store === 'redis' ? redis.pieces(id, ref) : file.pieces(id, ref)
      return counted(id, pieces, sizeBytes, () => told(ref.store, 'read', sizeBytes))
    },
    remove: async (id, ref) => {
      if (ref.store === 'redis') await redis.remove(id, ref)
      if (ref.store === 'file') await file.remove(id, ref)
    },
    sweep: async (olderThanMs, isNeeded) => {
      const before = now() - olderThanMs
      return (await redis.sweep(before, isNeeded)) + (await file.sweep(before, isNeeded))
    },
  }
}
