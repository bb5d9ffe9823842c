/**
 * The content store of one process: writes to the configured kind, reads and removes every kind, so that a change of the
 * configuration leaves no content behind. The code for S3 is loaded when it is first needed, and only where it is configured. Write faults reject with a ContentError that names the cause; nothing is resent.
 */
import type { ContentRef } from '@sluice/contracts'
import type { ContentStore } from './content.ts'
import { ContentError, storeFailure } from './errors.ts'
import { createFilePlace } from './file-place.ts'
import { gatewayOf, sweepOwned } from './ownership.ts'
import type { OwnedPlace, Place, Sink } from './place.ts'
import { type ContentRedis, createRedisPlace } from './redis-place.ts'
import type { S3Options } from './s3/options.ts'
import { createWriter } from './writer.ts'

export type ContentStoreOptions = {
  /** One connection, without offline queue and without resending: what it cannot send at once is an error at once. */
  redis: ContentRedis
  /** The prefix of a lane's keys, e.g. `sluice{00}`. */
  lanePrefix: (lane: number) => string
  lanes: number
  /** Where content above the threshold goes. */
  store: 'redis' | 'file' | 's3'
  /** Content of up to this many bytes stays in memory and is returned `inline`. */
  thresholdBytes: number
  /** Size of a piece, in Redis and in memory; 256 KiB unless told. */
  chunkBytes?: number
  /** Root of the file store. It need not exist. */
  directory: string
  /** The bucket, also while another store is written to: what lies there is still read, removed and swept. */
  s3?: S3Options | null
  /** ms since the epoch */
  now?: () => number
  /** Told of bytes that went to a store, or came from one whole. For figures. */
  told?: (store: 'redis' | 'file' | 's3', operation: 'written' | 'read', bytes: number) => void
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

type StoredRef = Exclude<ContentRef, { store: 'inline' }>
type S3Place = OwnedPlace<Extract<ContentRef, { store: 's3' }>>

/** Opened once, when a content asks for it; again, when that failed. */
const lazyS3Place = (options: S3Options | null): (() => Promise<S3Place>) => {
  let opening: Promise<S3Place> | undefined
  const open = async (): Promise<S3Place> => {
    if (options === null) throw new ContentError('unavailable', 'the content lies in a bucket, but content.s3 is not configured')
    const { openS3Place } = await import('./s3/place.ts')
    return openS3Place(options)
  }
  return () => {
    opening ??= open().catch((fault: unknown) => {
      opening = undefined
      throw fault
    })
    return opening
  }
}

export const createContentStore = (options: ContentStoreOptions): ContentStore => {
  const now = options.now ?? Date.now
  const { s3: s3Options = null, store } = options
  const usualBytes = options.chunkBytes ?? 256 * 1024
  const redis = createRedisPlace({ redis: options.redis, lanePrefix: options.lanePrefix, lanes: options.lanes, now })
  const file = createFilePlace({ directory: options.directory, chunkBytes: usualBytes })
  const s3 = lazyS3Place(s3Options)
  const told = options.told ?? (() => {})
  const place = async (): Promise<Place<never>> => (store === 's3' ? s3() : store === 'redis' ? redis : file)
  const open = (id: string, lane: number, client: string): Promise<Sink> =>
    opened(
      place().then((one) => one.open(id, lane, client)),
      (bytes) => told(store, 'written', bytes),
    )
  const chunkBytes = store === 's3' ? (s3Options?.partBytes ?? usualBytes) : usualBytes
  async function* pieces(id: string, ref: StoredRef): AsyncIterable<Buffer> {
    if (ref.store === 's3') yield* (await s3()).pieces(id, ref)
    else yield* ref.store === 'redis' ? redis.pieces(id, ref) : file.pieces(id, ref)
  }
  return {
    stage: (id, lane, client = '') =>
      createWriter({ id, thresholdBytes: options.thresholdBytes, chunkBytes, open: () => open(id, lane, client) }),
    read: (id, ref, sizeBytes) => {
      if (ref.store === 'inline') throw new Error(`content ${id} lies with its task`)
      return counted(id, pieces(id, ref), sizeBytes, () => told(ref.store, 'read', sizeBytes))
    },
    remove: async (id, ref) => {
      if (ref.store === 'redis') await redis.remove(id, ref)
      if (ref.store === 'file') await file.remove(id, ref)
      if (ref.store === 's3') await (await s3()).remove(id, ref)
    },
    sweep: async (olderThanMs, isNeeded, notOurs = () => {}) => {
      const before = now() - olderThanMs
      const inRedis = await redis.sweep(before, isNeeded)
      const whole = { gateway: await gatewayOf(options.redis, options.lanePrefix(0)), before, isNeeded, notOurs }
      const near = inRedis + (await sweepOwned(file, { ...whole, isInUse: store === 'file' }))
      return s3Options === null ? near : near + (await sweepOwned(await s3(), { ...whole, isInUse: store === 's3' }))
    },
  }
}
