/** The S3 store against servers that nobody here wrote: whole or not at all, and what happens while they are away. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createCertificate, requireSignatures, startS3, type TestS3 } from '@sluice/testkit'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Sink } from '../place.ts'
import { s3OptionsFor } from '../test-support/s3-options.ts'
import type { S3Options } from './options.ts'
import { openS3Place, type S3Tuning } from './place.ts'

// Servers of others start slowly on a busy machine.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 })

const MIB = 1_048_576
const HOUR = 3_600_000
const ID = '01CONTENT00000'
const KEY = '00/01CONTENT00000.3'
const REF = { store: 's3', lane: 3 } as const
const never = async (): Promise<boolean> => false

const openPlace = (server: TestS3, more: Partial<S3Options> = {}, tuning: S3Tuning = {}) =>
  openS3Place(s3OptionsFor(server, more), {}, tuning)
type OpenPlace = Awaited<ReturnType<typeof openPlace>>

/** As a writer does it: whole parts, and what is left. */
const fill = async (sink: Sink, bytes: Buffer, partBytes = 5 * MIB): Promise<void> => {
  for (let at = 0; at < bytes.length; at += partBytes) await sink.append(bytes.subarray(at, at + partBytes))
}

const store = async (place: OpenPlace, bytes: Buffer, id = ID): Promise<void> => {
  const sink = await place.open(id, 3)
  await fill(sink, bytes)
  expect(await sink.seal()).toEqual(REF)
}

const collect = async (pieces: AsyncIterable<Buffer>): Promise<Buffer> => {
  const all: Buffer[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

describe.each(['s3rver', 'moto'] as const)('on %s', (kind) => {
  let server: TestS3
  beforeAll(async () => {
    server = await startS3(kind)
  })
  afterAll(() => server.stop())
  beforeEach(() => server.empty())

  it.each([1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 10 * MIB, 12 * MIB])(
    'R-250: %i bytes are there once they are sealed, not before, and come back',
    async (size) => {
      const place = await openPlace(server)
      const bytes = randomBytes(size)
      const sink = await place.open(ID, 3)
      await fill(sink, bytes)
      if (size >= 5 * MIB) expect(await server.objects()).toEqual([])
      await sink.seal()
      expect(await server.objects()).toEqual([KEY])
      expect(sha(await collect(place.pieces(ID, REF)))).toBe(sha(bytes))
      await place.remove(ID, REF)
      expect(await server.objects()).toEqual([])
    },
  )

  it('keeps to its prefix: others’ objects are neither named, swept nor removed', async () => {
    for (const name of ['notes.txt', '00/notes.txt', 'mine/00/notes.txt', KEY, `other/${KEY}`]) await server.put(name)
    const place = await openPlace(server, { prefix: 'mine/' })
    await store(place, randomBytes(100))
    expect(await place.sweep(Date.now() + HOUR, never)).toBe(1)
    expect(await server.objects()).toEqual([KEY, '00/notes.txt', 'mine/00/notes.txt', 'notes.txt', `other/${KEY}`].toSorted())
    await expect(place.open('../../etc/passwd', 0)).rejects.toThrow('no name of a content')
  })

  it('R-short: only a key that is not there is missing; a bucket that is not there is a store that is away', async () => {
    const place = await openPlace(server)
    await expect(collect(place.pieces(ID, REF))).rejects.toMatchObject({ code: 'missing' })
    const elsewhere = await openPlace(server, { bucket: 'another' })
    await expect(collect(elsewhere.pieces(ID, REF))).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('NoSuchBucket'),
    })
    await expect(store(elsewhere, randomBytes(100))).rejects.toMatchObject({ code: 'unavailable' })
  })
})

describe('what is left behind', () => {
  let server: TestS3
  beforeAll(async () => {
    server = await startS3('moto')
  })
  afterAll(() => server.stop())
  beforeEach(() => server.empty())

  it('is swept page by page, but what is needed or young', async () => {
    const place = await openPlace(server, {}, { pageSize: 2 })
    for (let i = 0; i < 7; i++) await store(place, randomBytes(100), `01CONTENT0000${i}`)
    expect(await place.sweep(Date.now() - HOUR, never)).toBe(0)
    expect(await place.sweep(Date.now() + HOUR, async (id) => id.endsWith('5'))).toBe(6)
    expect(await server.objects()).toEqual(['05/01CONTENT00005.3'])
  })

  it('a content that is given up is aborted, while it is written and in the midst of a part', async () => {
    const place = await openPlace(server)
    const sink = await place.open(ID, 3)
    await sink.append(randomBytes(5 * MIB))
    expect(await server.uploads()).toEqual([KEY])
    const writing = sink.append(randomBytes(5 * MIB))
    await sink.discard()
    await writing
    expect(await server.uploads()).toEqual([])
    await expect(sink.append(randomBytes(1))).rejects.toThrow('was discarded')
    await expect(sink.seal()).rejects.toThrow('was discarded')
    expect(await server.objects()).toEqual([])
  })

  it('an upload that a crash left is swept once its newest part is old', async () => {
    const place = await openPlace(server)
    await (await place.open(ID, 3)).append(randomBytes(5 * MIB))
    expect(await place.sweep(Date.now() - 1000, never)).toBe(0)
    expect(await server.uploads()).toEqual([KEY])
    expect(await place.sweep(Date.now() + HOUR, never)).toBe(1)
    expect(await server.uploads()).toEqual([])
  })

  it('R-451: what the store has lost meanwhile is never sealed', async () => {
    const place = await openPlace(server)
    const sink = await place.open(ID, 3)
    await sink.append(randomBytes(5 * MIB))
    await place.sweep(Date.now() + HOUR, never)
    await expect(sink.append(randomBytes(5 * MIB))).rejects.toMatchObject({ code: 'unavailable' })
    await expect(sink.seal()).rejects.toMatchObject({ code: 'unavailable' })
    await sink.discard()
    expect(await server.objects()).toEqual([])
  })

  it('contents that are never ended, of one client, leave places for others, within the same memory', async () => {
    const place = await openPlace(server, { uploads: 32 }, { patienceMs: 500 })
    const slow = await Promise.allSettled(Array.from({ length: 32 }, (_, i) => place.open(`01SLOW0000000${i}`, 3, '192.0.2.1')))
    expect(slow.filter(({ status }) => status === 'fulfilled')).toHaveLength(16)
    const sink = await place.open(ID, 3, '192.0.2.2')
    await fill(sink, randomBytes(100))
    expect(await sink.seal()).toEqual(REF)
  })

  it('a content that is given up frees its place for another', async () => {
    const place = await openPlace(server, { uploads: 1 }, { patienceMs: 100 })
    const first = await place.open(ID, 3)
    await expect(place.open(ID, 4)).rejects.toThrow('all 1 places')
    await first.discard()
    await store(place, randomBytes(100))
    await store(place, randomBytes(100))
  })
})

describe('a store that checks signatures', () => {
  it('takes ours for every request, and tells of a wrong key', async () => {
    const server = await startS3('moto')
    try {
      await requireSignatures(server)
      const place = await openPlace(server, { prefix: 'a.b/c_d/', region: 'eu-central-1' }, { pageSize: 2 })
      const bytes = randomBytes(6 * MIB)
      await store(place, bytes)
      expect(sha(await collect(place.pieces(ID, REF)))).toBe(sha(bytes))
      await place.remove(ID, REF)
      for (let i = 0; i < 3; i++) await store(place, randomBytes(100), `01CONTENT0000${i}`)
      for (let i = 0; i < 3; i++) await (await place.open(`01UPLOAD00000${i}`, 0)).append(randomBytes(5 * MIB))
      expect(await place.sweep(Date.now() + HOUR, never)).toBe(6)
      await writeFile(server.secretKeyFile, 'wrong')
      const wrong = await openPlace(server)
      await expect(store(wrong, bytes)).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining('403 SignatureDoesNotMatch'),
      })
    } finally {
      await server.stop()
    }
  })
})

describe('a store behind TLS', () => {
  it('is believed only when its certificate is', async () => {
    const certificate = await createCertificate()
    const server = await startS3('s3rver', { certificate })
    const folder = await mkdtemp(join(tmpdir(), 'sluice-s3-tls-'))
    try {
      const caFile = join(folder, 'ca.crt')
      await writeFile(caFile, certificate.ca)
      await store(await openPlace(server, { caFile }), randomBytes(6 * MIB))
      await expect(store(await openPlace(server), randomBytes(100))).rejects.toThrow('unable to verify the first certificate')
    } finally {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    }
  })
})

describe('a store that is away', () => {
  let server: TestS3
  beforeEach(async () => {
    server = await startS3('s3rver')
  })
  afterEach(() => server.stop())

  it('R-451: a write fails as unavailable, soon, and is taken again when it is back', async () => {
    const place = await openPlace(server)
    await server.kill()
    const sink = await place.open(ID, 3)
    await expect(sink.append(randomBytes(100))).rejects.toThrow('ECONNREFUSED')
    await sink.discard().catch(() => {})
    await server.start()
    await store(place, randomBytes(100))
  })

  it('R-451: one that hangs is given up after its time', async () => {
    const place = await openPlace(server, { timeoutMs: 300 })
    await store(place, randomBytes(100))
    server.freeze()
    const sink = await place.open(ID, 3)
    await expect(sink.append(randomBytes(100))).rejects.toThrow('was silent for 300 ms')
    server.thaw()
    await sink.discard()
    await store(place, randomBytes(100))
  })

  it('a reader waits for it, and goes on from the same byte', async () => {
    const bytes = randomBytes(12 * MIB)
    const place = await openPlace(server)
    await store(place, bytes)
    const reader = place.pieces(ID, REF)[Symbol.asyncIterator]()
    const first = await reader.next()
    await server.kill()
    const waiting = collect({ [Symbol.asyncIterator]: () => reader })
    await sleep(300)
    await server.start()
    const all = Buffer.concat([first.value ?? Buffer.alloc(0), await waiting])
    expect(sha(all)).toBe(sha(bytes))
  })

  it('a reader whose store stays away, or hangs, gives up as unavailable: the message waits', async () => {
    const place = await openPlace(server, { timeoutMs: 200 }, { patienceMs: 500 })
    await store(place, randomBytes(100))
    server.freeze()
    await expect(collect(place.pieces(ID, REF))).rejects.toThrow('was silent for 200 ms')
    server.thaw()
    await server.kill()
    await expect(collect(place.pieces(ID, REF))).rejects.toThrow('ECONNREFUSED')
  })

  it('keys that were changed are read anew', async () => {
    const place = await openPlace(server)
    await writeFile(server.accessKeyFile, 'WRONG')
    const sink = await place.open(ID, 3)
    await expect(sink.append(randomBytes(100))).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('InvalidAccessKeyId'),
    })
    await writeFile(server.accessKeyFile, 'S3RVER')
    await store(place, randomBytes(100))
  })
})
