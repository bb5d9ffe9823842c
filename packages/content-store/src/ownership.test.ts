/** A Redis that is empty, wrong or lost must not cost anybody's contents. */
import { randomBytes } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ContentStore } from './content.ts'
import { ownerKey } from './keys.ts'
import { gatewayOf, type NotOurs } from './ownership.ts'
import { createContentStore } from './store.ts'
import { s3OptionsFor } from './test-support/s3-options.ts'
import { useStores } from './test-support/stores.ts'

const HOUR = 3_600_000
const nobody = async (): Promise<boolean> => false
const everybody = async (): Promise<boolean> => true

const at = useStores()

describe.each(['file', 's3'] as const)('contents in a place of kind %s', (kind) => {
  const open = (store: 'redis' | 'file' | 's3' = kind): ContentStore =>
    createContentStore({
      redis: at.redis.client,
      lanePrefix: () => 'sluice{00}',
      lanes: 1,
      store,
      thresholdBytes: 10,
      directory: at.directory,
      s3: s3OptionsFor(at.s3),
      now: () => at.now,
    })
  const put = async (id: string): Promise<void> => {
    const writer = open().stage(id, 0)
    await writer.write(randomBytes(100))
    await writer.finish()
  }
  const names = async (): Promise<string[]> => {
    if (kind === 's3') return (await at.s3.objects()).filter((name) => name !== '.gateway')
    const entries = await readdir(at.directory, { recursive: true, withFileTypes: true })
    return entries.filter((entry) => entry.isFile() && entry.name !== '.gateway').map(({ name }) => name)
  }
  const sweep = async (isNeeded: (id: string) => Promise<boolean>, store = open()) => {
    const notOurs: NotOurs[] = []
    const removed = await store.sweep(HOUR, isNeeded, (found) => notOurs.push(found))
    return { removed, notOurs }
  }
  const where = (): string => (kind === 's3' ? `s3://${at.s3.bucket}/.gateway` : join(at.directory, '.gateway'))
  const pass = (): void => {
    at.now += 2 * HOUR
  }

  it('stay when their Redis was lost or is another, and are swept again when it is back', async () => {
    await sweep(nobody)
    const owner = await gatewayOf(at.redis.client, 'sluice{00}')
    await put('01MAIL')
    await put('01ORPHAN')
    pass()
    await at.redis.client.flushall()
    const found = await sweep(nobody)
    const gateway = await gatewayOf(at.redis.client, 'sluice{00}')
    expect(gateway).not.toBe(owner)
    expect(found).toEqual({ removed: 0, notOurs: [{ where: where(), owner, gateway }] })
    expect(await sweep(async (id) => id === '01MAIL')).toMatchObject({ removed: 0 })
    expect(await names()).toHaveLength(2)
    await at.redis.client.set(ownerKey('sluice{00}'), owner)
    expect(await sweep(async (id) => id === '01MAIL')).toEqual({ removed: 1, notOurs: [] })
    expect(await names()).toEqual([expect.stringContaining('01MAIL')])
  })

  it('without an ID stay when nobody needs some of them, until the postmaster writes the ID', async () => {
    await put('01MAIL')
    await put('01OTHER')
    pass()
    const gateway = await gatewayOf(at.redis.client, 'sluice{00}')
    const found = { removed: 0, notOurs: [{ where: where(), owner: null, gateway }] }
    expect(await sweep(nobody)).toEqual(found)
    expect(await sweep(async (id) => id === '01MAIL')).toEqual(found)
    expect(await names()).toHaveLength(2)
    if (kind === 'file') await writeFile(where(), gateway)
    else await at.s3.put('.gateway', gateway)
    expect(await sweep(nobody)).toEqual({ removed: 2, notOurs: [] })
  })

  it('of a gateway that is older than the ID are adopted, once mail of ours needs them', async () => {
    await put('01MAIL')
    await put('01YOUNG')
    expect(await sweep(nobody)).toEqual({ removed: 0, notOurs: [] })
    expect(await sweep(async (id) => id === '01MAIL')).toEqual({ removed: 0, notOurs: [] })
    pass()
    expect(await sweep(nobody)).toEqual({ removed: 2, notOurs: [] })
  })

  it('have one owner, however many spoolers start at once', async () => {
    await Promise.all(Array.from({ length: 8 }, () => sweep(nobody)))
    await put('01ORPHAN')
    pass()
    const swept = await Promise.all(Array.from({ length: 3 }, () => sweep(nobody)))
    expect(swept.flatMap(({ notOurs }) => notOurs)).toEqual([])
    expect(await names()).toEqual([])
    if (kind === 'file') expect((await readFile(where(), 'utf8')).trim()).toBe(await gatewayOf(at.redis.client, 'sluice{00}'))
    if (kind === 'file') expect(await readdir(join(at.directory, 'tmp'))).toEqual([])
  })

  it('leave no ID where nothing lies and nothing is written', async () => {
    await sweep(everybody, open('redis'))
    expect(kind === 's3' ? await at.s3.objects() : await readdir(at.directory)).toEqual([])
  })
})
