import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startRedis, startS3, type TestRedis, type TestS3 } from '@sluice/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { s3OptionsFor } from './test-support/s3-options.ts'

const MIB = 1_048_576
const script = join(import.meta.dirname, 'test-support', 'stream-through.ts')
let redis: TestRedis
let s3: TestS3
let directory: string
beforeAll(async () => {
  redis = await startRedis()
  s3 = await startS3('s3rver')
  directory = await mkdtemp(join(tmpdir(), 'sluice-content-'))
})
afterAll(async () => {
  await redis.stop()
  await s3.stop()
  await rm(directory, { recursive: true, force: true })
})

/** @param limit a shell command before Node starts, such as `ulimit -f 100` */
const streamThrough = async (kind: string, sizeBytes: number, limit = ':'): Promise<Record<string, unknown>> => {
  const node = [process.execPath, '--no-warnings', script, kind, redis.port, directory, sizeBytes].join(' ')
  const options = `'${JSON.stringify(s3OptionsFor(s3, { timeoutMs: 60_000 }))}'`
  const { stdout } = await promisify(execFile)('bash', ['-c', `${limit} && exec ${node} ${options}`])
  return JSON.parse(stdout)
}

// V8 lets 64 MiB of buffers die before it collects them: the bound is that and the pieces in hand, whatever the size.
it.each(['redis', 'file', 's3'])(
  'streams 400 MiB through the store %s within 96 MiB of memory',
  async (kind) => {
    const outcome = await streamThrough(kind, 400 * MIB)
    expect(outcome).toMatchObject({ result: 'stored', readBytes: 400 * MIB })
    expect(outcome.grownKiB).toBeLessThan(96 * 1024)
  },
  60_000,
)

it('R-451: a disk that takes no more rejects as full, and nothing is left of the content', async () => {
  await rm(directory, { recursive: true, force: true })
  const outcome = await streamThrough('file', 25 * MIB, 'ulimit -f 1024')
  expect(outcome).toMatchObject({ result: 'failed', code: 'full', fault: expect.stringContaining('EFBIG') })
  expect(await readdir(join(directory, 'tmp'))).toEqual([])
})
