/** The service as it runs: its own process, a real Redis, the real spool and directory. */
import { type ChildProcess, execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createTrace } from '@sluice/spool'
import { startRedis, type TestRedis } from '@sluice/testkit'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { beginData, greetedClient, openClient, sendMessage } from './test-support/client.ts'

const CONFIG = `
hostname: mx.sluice.test
content: { store: redis, minFree: 1MiB }
listeners: [{ name: smtp, listen: "127.0.0.1:0" }]
domains: [{ name: sluice.test, route: behind, recipients: any }, { name: other.test, route: elsewhere, recipients: any }]
routes:
  - { name: behind, type: smtp, hosts: ["127.0.0.1:9"] }
  - { name: elsewhere, type: smtp, hosts: ["127.0.0.1:9"] }
http: { ports: { ingress: 0 } }
shutdownGrace: 10s
log: { level: warn }
`

type Listening = { name: string; port: number }

let redis: TestRedis
let folder: string
let child: ChildProcess
let ports: Record<string, number>

const startProcess = async (): Promise<void> => {
  // As the supervisor starts it, from the second time on: with code that is compiled already.
  const NODE_COMPILE_CACHE = join(folder, 'compile-cache')
  const env = {
    ...process.env,
    NODE_COMPILE_CACHE,
    SLUICE_CONFIG: join(folder, 'sluice.yaml'),
    SLUICE_DATA: folder,
    SLUICE_REDIS_URL: redis.url,
  }
  child = fork(join(import.meta.dirname, 'main.ts'), { env, execArgv: ['--no-warnings', '--max-semi-space-size=4'] })
  const [{ listening }] = (await once(child, 'message')) as [{ listening: Listening[] }]
  ports = Object.fromEntries(listening.map(({ name, port }) => [name, port]))
  await vi.waitFor(async () => expect(await statusOf('readyz')).toBe(200), { timeout: 10_000 })
}
const statusOf = async (path: string): Promise<number> => (await fetch(`http://127.0.0.1:${ports.http}/${path}`)).status
const readyz = async (): Promise<string> => {
  const response = await fetch(`http://127.0.0.1:${ports.http}/readyz`)
  return `${response.status} ${await response.text()}`
}
const port = (): number => ports.smtp ?? 0

beforeAll(async () => {
  redis = await startRedis()
  folder = await mkdtemp(join(tmpdir(), 'sluice-ingress-'))
  await writeFile(join(folder, 'sluice.yaml'), CONFIG)
  await startProcess()
  child.kill('SIGTERM')
  await once(child, 'exit')
  await startProcess()
})
afterAll(async () => {
  if (child.exitCode === null) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  await redis.stop()
  await rm(folder, { recursive: true, force: true })
})

describe('the ingress process', () => {
  it('R-250: what was answered 250 is in Redis, whole, under its ID, also after kill -9 of Redis', async () => {
    const client = await greetedClient(port())
    const one = await sendMessage(client, 'Subject: one\r\n\r\none', ['anna@sluice.test'])
    const several = await sendMessage(client, 'Subject: two\r\n\r\ntwo', ['anna@sluice.test', 'ben@other.test'])
    client.end()
    await redis.kill()
    await redis.start()
    const keys = await redis.client.keys('*')
    for (const reply of [one, several]) {
      const id = /queued as (\w+)$/.exec(reply)?.[1] ?? 'none'
      expect(keys.some((key) => key.includes(id))).toBe(true)
    }
    await vi.waitFor(async () => expect(await statusOf('readyz')).toBe(200), { timeout: 10_000 })
  })

  it('R-id: by the ID of the reply trace tells who handed the message in', async () => {
    const client = await greetedClient(port())
    const reply = await sendMessage(client, 'Subject: x\r\n\r\nx', ['anna@sluice.test'])
    client.end()
    const id = /queued as (\w+)$/.exec(reply)?.[1] ?? 'none'
    const found = await createTrace({ redis: redis.client, lanes: 1 })(id)
    expect(found?.tasks.map(({ task }) => task?.client)).toEqual(['127.0.0.1 (helo client.test) ESMTP'])
  })

  it('R-451: without Redis running sessions get 451, new clients 421, and all goes on when it is back', async () => {
    const client = await greetedClient(port())
    const caught = await greetedClient(port())
    await beginData(caught)
    await redis.kill()
    caught.write('Subject: x\r\n\r\nx\r\n.\r\n')
    expect(await caught.reply()).toMatch(/^451 4\.3\.0 /)
    expect(await client.ask('MAIL FROM:<a@b.test>')).toMatch(/^451 4\.3\.0 /)
    expect(await openClient(port()).reply()).toMatch(/^421 4\.3\.0 /)
    expect(await statusOf('readyz')).toBe(503)
    expect(await statusOf('healthz')).toBe(200)
    await redis.start()
    await vi.waitFor(async () => expect(await statusOf('readyz')).toBe(200), { timeout: 10_000 })
    expect(await sendMessage(client, 'Subject: x\r\n\r\nx')).toMatch(/^250 /)
    client.end()
    caught.end()
  })

  it('R-full: at the mark of maxmemory MAIL gets 452 4.3.1, of new clients, too: /readyz keeps none away, and says why', async () => {
    const client = await greetedClient(port())
    const info = await redis.client.info('memory')
    const used = Number(/used_memory:(\d+)/.exec(info)?.[1])
    await redis.client.config('SET', 'maxmemory', String(Math.round(used * 1.1)))
    await vi.waitFor(async () => expect(await readyz()).toMatch(/^200 full: redis uses /), { timeout: 5000 })
    expect(await client.ask('MAIL FROM:<>')).toMatch(/^452 4\.3\.1 /)
    const another = await greetedClient(port())
    expect(await another.ask('MAIL FROM:<>')).toMatch(/^452 4\.3\.1 /)
    expect(await another.ask('QUIT')).toMatch(/^221 /)
    await redis.client.config('SET', 'maxmemory', '1gb')
    client.end()
  })

  it('R-size: two 25 MiB messages at once leave the process under 200 MiB', async () => {
    await vi.waitFor(async () => expect(await readyz()).toBe('200 ready\n'), { timeout: 5000 })
    const body = `Subject: large\r\n\r\n${`${'x'.repeat(76)}\r\n`.repeat(320_000)}`
    const clients = await Promise.all([greetedClient(port()), greetedClient(port())])
    for (const reply of await Promise.all(clients.map((client) => sendMessage(client, body)))) expect(reply).toMatch(/^250 /)
    for (const client of clients) client.end()
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
    expect(Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024).toBeLessThan(200)
  })

  it('R-250: smtp-source hands in 200 messages over 10 connections, each a task of its own', async () => {
    const before = await redis.client.dbsize()
    const options = `-s 10 -m 200 -l 2048 -N -f s@far.test -t anna@sluice.test 127.0.0.1:${port()}`.split(' ')
    await promisify(execFile)('smtp-source', options)
    expect((await redis.client.dbsize()) - before).toBeGreaterThanOrEqual(200)
  })

  it('R-shutdown: SIGTERM: idle clients get 421 4.3.2, a transaction finishes, exit code 0', async () => {
    const idle = await greetedClient(port())
    const busy = await greetedClient(port())
    await beginData(busy)
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await idle.reply()).toMatch(/^421 4\.3\.2 /)
    expect(await statusOf('readyz')).toBe(503)
    busy.write('Subject: x\r\n\r\nx\r\n.\r\n')
    expect(await busy.reply()).toMatch(/^250 /)
    expect((await exited)[0]).toBe(0)
  })
})
