/**
 * A process of its own for the tests that need one: writes a content of the given size, reads it back, and prints as JSON what
 * happened and how far its resident memory grew beyond what it was at the start.
 * Arguments: kind, Redis port, directory, size in bytes, and for S3 its options as JSON.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { createContentStore } from '../store.ts'

const [kind, port, directory, size, s3] = process.argv.slice(2)
const redis = new Redis(Number(port), '127.0.0.1')
const store = createContentStore({
  redis,
  lanePrefix: () => 'sluice{00}',
  lanes: 1,
  store: kind === 'file' || kind === 's3' ? kind : 'redis',
  thresholdBytes: 262_144,
  directory: directory ?? '',
  s3: s3 === undefined ? null : JSON.parse(s3),
})
await redis.ping()
/** Written again and again: what grows is the store's, not the test's. */
const source = Buffer.alloc(65_536, 'x')
const startKiB = process.resourceUsage().maxRSS
const run = async (): Promise<object> => {
  const writer = store.stage('ID01', 0)
  try {
    for (let left = Number(size); left > 0; left -= 65_536) await writer.write(source.subarray(0, left))
    const staged = await writer.finish()
    if (staged.kind !== 'stored') return { result: staged.kind }
    let readBytes = 0
    for await (const piece of store.read('ID01', staged.ref, staged.sizeBytes)) {
      readBytes += piece.length
      await wait(0)
    }
    return { result: 'stored', readBytes }
  } catch (fault) {
    await writer.abort()
    return { result: 'failed', fault: String(fault), code: fault instanceof Error && 'code' in fault ? fault.code : null }
  }
}
const outcome = await run()
console.log(JSON.stringify({ ...outcome, grownKiB: process.resourceUsage().maxRSS - startKiB }))
redis.disconnect()
