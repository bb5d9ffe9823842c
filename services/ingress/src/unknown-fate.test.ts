/** A message whose admission broke off in the middle: content outside Redis, a real Redis that dies in the write. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createContentStore } from '@sluice/content-store'
import { lanePrefix } from '@sluice/contracts'
import { loadConfig } from '@sluice/directory'
import { createLogger } from '@sluice/runtime'
import { createTidying } from '@sluice/spool'
import { startRedis, type TestRedis } from '@sluice/testkit'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type StartedIngress, startIngress } from './start.ts'
import { beginData, greetedClient } from './test-support/client.ts'

const CONFIG = `
hostname: mx.sluice.test
content: { store: file, threshold: 1KiB, minFree: 1MiB }
listeners: [{ name: smtp, listen: "127.0.0.1:0" }]
domains: [{ name: sluice.test, route: behind, recipients: any }]
routes: [{ name: behind, type: smtp, hosts: ["127.0.0.1:9"] }]
http: { ports: { ingress: 0 } }
`

let redis: TestRedis
let folder: string
let ingress: StartedIngress
const lines: string[] = []
const log = createLogger({ level: 'info', service: 'test', destination: { write: (line) => void lines.push(line) } })

beforeEach(async () => {
  redis = await startRedis()
  folder = await mkdtemp(join(tmpdir(), 'sluice-ingress-'))
  await writeFile(join(folder, 'sluice.yaml'), `${CONFIG}redis: { url: "${redis.url}" }\n`)
  const config = await loadConfig(join(folder, 'sluice.yaml'), {}, { dataDir: folder })
  ingress = await startIngress(config, { log })
})
afterEach(async () => {
  await ingress.close()
  await redis.stop()
  await rm(folder, { recursive: true, force: true })
})

const contents = async (): Promise<string[]> => {
  const all = await readdir(join(folder, 'content'), { recursive: true }).catch(() => [])
  return all.filter((name) => /\.\d+$/.test(name))
}

/** Bytes that Redis' kernel socket holds and Redis has not read, from a connection of this process' admission. */
const unread = async (port: number): Promise<number> => {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const rows = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((row) => row.trim().split(/\s+/))
  const queued = rows.filter(([, local, , state]) => local?.endsWith(`:${hex}`) && state === '01').map((row) => row[4] ?? '0:0')
  // Beyond what the watch of durability asks: an admission carries a whole task.
  return queued.filter((pair) => Number.parseInt(pair.split(':')[1] ?? '0', 16) > 200).length
}

const store = () =>
  createContentStore({
    redis: redis.client,
    lanePrefix,
    lanes: 1,
    store: 'file',
    thresholdBytes: 1024,
    directory: join(folder, 'content'),
    now: () => Date.now() + 7_200_000,
  })

it('R-451: content whose admission broke off with unknown fate stays, until the sweep finds that nobody needs it', async () => {
  const tidying = createTidying({ redis: redis.client, lanes: 1 })
  // As the spooler does while nothing lies there: from then on the folder is this gateway's.
  await store().sweep(3_600_000, tidying.isNeeded)
  const port = ingress.listening.find(({ name }) => name === 'smtp')?.port ?? 0
  const client = await greetedClient(port)
  await beginData(client)
  // Redis takes the command and dies before it has answered.
  const pid = Number(/process_id:(\d+)/.exec(await redis.client.info('server'))?.[1])
  process.kill(pid, 'SIGSTOP')
  client.write(`Subject: x\r\n\r\n${'x\r\n'.repeat(10_000)}.\r\n`)
  await vi.waitFor(async () => expect((await contents()).filter((name) => !name.startsWith('tmp'))).toHaveLength(1))
  // The content is whole; a turn later the command has left for a Redis that does not move.
  await vi.waitFor(async () => expect(await unread(redis.port)).toBeGreaterThan(0))
  await redis.kill()
  expect(await client.reply()).toMatch(/^451 4\.3\.0 /)
  expect(lines.join('')).toContain('duplicate-suspected')
  expect(await contents()).toHaveLength(1)
  await redis.start()
  expect(await store().sweep(3_600_000, tidying.isNeeded)).toBe(1)
  expect(await contents()).toEqual([])
  client.end()
})
