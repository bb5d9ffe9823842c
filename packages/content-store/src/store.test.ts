import { createHash, randomBytes } from 'node:crypto'
import { readdir, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startRedis } from '@sluice/testkit'
import { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import type { ContentStore } from './content.ts'
import { createContentStore } from './store.ts'
import { s3OptionsFor } from './test-support/s3-options.ts'
import { useStores } from './test-support/stores.ts'

const HOUR = 3_600_000
const lanePrefix = (lane: number): string => `sluice{${String(lane).padStart(2, '0')}}`

const at = useStores({ leastPartBytes: 256 })

const open = (store: 'redis' | 'file' | 's3', extra: { client?: Redis; directory?: string } = {}): ContentStore =>
  createContentStore({
    redis: extra.client ?? at.redis.client,
    lanePrefix,
    lanes: 2,
    store,
    thresholdBytes: 1000,
    chunkBytes: 400,
    directory: extra.directory ?? at.directory,
    s3: s3OptionsFor(at.s3, { partBytes: 400 }),
    now: () => at.now,
  })

const stage = async (store: ContentStore, id: string, bytes: Buffer, lane = 1) => {
  const writer = store.stage(id, lane)
  for (let at = 0; at < bytes.length; at += 300) await writer.write(bytes.subarray(at, at + 300))
  return writer.finish()
}

const stored = async (store: ContentStore, id: string, bytes: Buffer) => {
  const staged = await stage(store, id, bytes)
  if (staged.kind !== 'stored') throw new Error('expected to be stored')
  return staged.ref
}

const collect = async (pieces: AsyncIterable<Buffer>): Promise<Buffer> => {
  const all: Buffer[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

describe.each(['redis', 'file', 's3'] as const)('content store %s', (kind) => {
  it.each([0, 1, 999, 1000])('returns %i bytes, up to the threshold, inline and stores nothing', async (size) => {
    const bytes = randomBytes(size)
    expect(await stage(open(kind), 'ID01', bytes)).toEqual({ kind: 'inline', bytes })
    expect(await at.redis.client.dbsize()).toBe(0)
    expect(await readdir(at.directory)).toEqual([])
  })

  it.each([1001, 1200, 1201, 5000])('stores %i bytes, beyond the threshold, and reads them back', async (size) => {
    const bytes = randomBytes(size)
    const store = open(kind)
    const staged = await stage(store, 'ID01', bytes)
    expect(staged).toMatchObject({ kind: 'stored', sizeBytes: size, ref: { store: kind, lane: 1 } })
    if (staged.kind === 'stored') expect(await collect(store.read('ID01', staged.ref, size))).toEqual(bytes)
  })

  it('R-short: a size other than the stored one is an error, never an end', async () => {
    const store = open(kind)
    const ref = await stored(store, 'ID01', randomBytes(2000))
    await expect(collect(store.read('ID01', ref, 2001))).rejects.toMatchObject({ code: 'short' })
    await expect(collect(store.read('ID01', ref, 1999))).rejects.toMatchObject({ code: 'short' })
  })

  it('R-short: content that is gone is an error', async () => {
    const store = open(kind)
    const ref = await stored(store, 'ID01', randomBytes(2000))
    await store.remove('ID01', ref)
    await store.remove('ID01', ref)
    await expect(collect(store.read('ID01', ref, 2000))).rejects.toMatchObject({ code: 'missing' })
    expect(await at.redis.client.dbsize()).toBe(0)
  })

  it('abort leaves nothing, in the midst of writing and after finish', async () => {
    const store = open(kind)
    const writer = store.stage('ID01', 0)
    await writer.write(randomBytes(3000))
    await writer.abort()
    await expect(writer.write(randomBytes(1))).rejects.toThrow('ID01')
    const finished = store.stage('ID02', 0)
    await finished.write(randomBytes(3000))
    await finished.finish()
    await finished.abort()
    await finished.abort()
    expect(await at.redis.client.dbsize()).toBe(0)
    at.now += 2 * HOUR
    expect(await store.sweep(HOUR, async () => false)).toBe(0)
  })

  it('the sweep removes what is old and not needed, finished or not, and keeps the rest', async () => {
    const store = open(kind)
    await stored(store, 'NEEDED', randomBytes(2000))
    await stored(store, 'ORPHAN', randomBytes(2000))
    const unfinished = store.stage('HALF', 0)
    await unfinished.write(randomBytes(2000))
    const asked: unknown[] = []
    const isNeeded = async (id: string, ref: unknown): Promise<boolean> => {
      asked.push(ref)
      return id === 'NEEDED'
    }
    expect(await store.sweep(HOUR, isNeeded)).toBe(0)
    if (kind === 'redis') expect(asked).toEqual([])
    at.now += HOUR + 60_000
    expect(await store.sweep(HOUR, isNeeded)).toBe(2)
    await unfinished.abort()
    expect(await store.sweep(HOUR, isNeeded)).toBe(0)
    expect(asked).toContainEqual(expect.objectContaining({ store: kind, lane: 1 }))
    const keys = await at.redis.client.keys('*')
    expect(keys.filter((key) => !key.includes('NEEDED') && !/:(contents|owner)$/.test(key))).toEqual([])
    if (kind === 'redis') expect(keys.length).toBeGreaterThan(0)
    if (kind === 'file') expect(await readdir(join(at.directory, 'ED'))).toHaveLength(1)
    if (kind === 's3') expect(await at.s3.objects()).toEqual(['.gateway', 'ED/NEEDED.1'])
  })

  it('reads and removes what was stored while the other kind was configured', async () => {
    const bytes = randomBytes(2000)
    const ref = await stored(open(kind), 'ID01', bytes)
    const other = open(kind === 'file' ? 'redis' : 'file')
    expect(await collect(other.read('ID01', ref, 2000))).toEqual(bytes)
    await other.remove('ID01', ref)
    await expect(collect(other.read('ID01', ref, 2000))).rejects.toThrow()
  })
})

describe('content store redis', () => {
  it('R-short: a missing piece is an error before the end', async () => {
    const store = open('redis')
    const ref = await stored(store, 'ID01', randomBytes(2000))
    await at.redis.client.del(`${lanePrefix(1)}:content:ID01:2`)
    await expect(collect(store.read('ID01', ref, 2000))).rejects.toThrow('piece 3 of 5')
  })

  it('R-451: Redis at maxmemory rejects with the cause, and abort leaves nothing', async () => {
    const small = await startRedis(['--maxmemory', '3mb'])
    const store = createContentStore({
      redis: small.client,
      lanePrefix,
      lanes: 1,
      store: 'redis',
      thresholdBytes: 1000,
      directory: at.directory,
    })
    const writer = store.stage('ID01', 0)
    const fill = async (): Promise<void> => {
      for (let i = 0; i < 50; i++) await writer.write(randomBytes(200_000))
    }
    await expect(fill()).rejects.toMatchObject({ code: 'full', message: expect.stringContaining('OOM') })
    await expect(writer.finish()).rejects.toThrow()
    await writer.abort()
    expect(await small.client.dbsize()).toBe(0)
    await small.stop()
  })

  it('R-451: a connection that is gone rejects at once and is not resent', async () => {
    const own = await startRedis()
    const client = new Redis(own.port, '127.0.0.1', {
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      retryStrategy: () => null,
    })
    client.on('error', () => {})
    await new Promise((resolve) => client.once('ready', resolve))
    const writer = open('redis', { client }).stage('ID01', 0)
    await writer.write(randomBytes(2000))
    await own.kill()
    await expect(writer.write(randomBytes(2000))).rejects.toMatchObject({ code: 'unavailable' })
    await writer.abort()
    client.disconnect()
    await own.stop()
  })
})

describe('content store file', () => {
  it('R-short: a file that was cut is an error', async () => {
    const store = open('file')
    const ref = await stored(store, 'ID01', randomBytes(2000))
    await truncate(join(at.directory, '01', 'ID01.1'), 1500)
    await expect(collect(store.read('ID01', ref, 2000))).rejects.toMatchObject({ code: 'short' })
  })

  it('R-451: a folder that cannot be written rejects with the cause', async () => {
    const blocked = join(at.directory, 'file')
    await writeFile(blocked, '')
    const writer = open('file', { directory: blocked }).stage('ID01', 0)
    await expect(writer.write(randomBytes(2000))).rejects.toMatchObject({ code: 'unavailable' })
    await writer.abort()
  })

  it('never leaves its directory, and the sweep leaves foreign files alone', async () => {
    const store = open('file')
    await store.sweep(HOUR, async () => false)
    await expect(stored(store, '../../ID', randomBytes(2000))).rejects.toThrow('no name')
    await stored(store, 'ID01', randomBytes(2000))
    await writeFile(join(at.directory, '01', 'notes.txt'), 'x')
    await utimes(join(at.directory, '01', 'notes.txt'), 1, 1)
    await store.sweep(-HOUR, async () => false)
    expect(await readdir(join(at.directory, '01'))).toEqual(['notes.txt'])
    expect((await stat(at.directory)).isDirectory()).toBe(true)
  })

  it('keeps 25 MiB whole', async () => {
    const hash = createHash('sha256')
    const store = createContentStore({
      redis: at.redis.client,
      lanePrefix,
      lanes: 1,
      store: 'file',
      thresholdBytes: 1000,
      directory: at.directory,
    })
    const writer = store.stage('ID01', 0)
    for (let i = 0; i < 25; i++) {
      const piece = randomBytes(1_048_576)
      hash.update(piece)
      await writer.write(piece)
    }
    const staged = await writer.finish()
    if (staged.kind !== 'stored') throw new Error('expected to be stored')
    const back = createHash('sha256')
    for await (const piece of store.read('ID01', staged.ref, staged.sizeBytes)) back.update(piece)
    expect(back.digest('hex')).toBe(hash.digest('hex'))
  })
})
