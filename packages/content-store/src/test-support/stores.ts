/** A real Redis, a real S3 server and a folder for the tests of one file, all of them empty before each test; and a clock to move on. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRedis, startS3, type TestRedis, type TestS3 } from '@sluice/testkit'
import { afterAll, beforeAll, beforeEach } from 'vitest'

/** @property now ms since the epoch; moved on by tests */
export type Stores = { redis: TestRedis; s3: TestS3; directory: string; now: number }

/** To be read within tests only: before the first one there is nothing. */
export const useStores = (s3Options: { leastPartBytes?: number } = {}): Stores => {
  const stores = {} as Stores
  beforeAll(async () => {
    stores.redis = await startRedis()
    stores.s3 = await startS3('moto', s3Options)
  }, 90_000)
  afterAll(async () => {
    await stores.s3.stop()
    await stores.redis.stop()
  })
  beforeEach(async () => {
    await stores.redis.client.flushall()
    await stores.s3.empty()
    stores.directory = await mkdtemp(join(tmpdir(), 'sluice-content-'))
    stores.now = Date.now()
    return () => rm(stores.directory, { recursive: true, force: true })
  })
  return stores
}
