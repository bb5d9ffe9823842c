/**
 * A redis-server of the test's own: a free port, a folder of its own, durable as Sluice wants it. `stop` ends it and removes
 * the folder; `kill` is kill −9; `start` brings it back on the same port with the same files.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort } from './port.ts'

export type TestRedis = {
  url: string
  port: number
  client: Redis
  start: () => Promise<void>
  kill: () => Promise<void>
  /** SIGSTOP and SIGCONT: it hangs, with its connections open, and goes on. */
  freeze: () => void
  thaw: () => void
  stop: () => Promise<void>
}

const DURABLE = [
  '--appendonly',
  'yes',
  '--appendfsync',
  'always',
  '--save',
  '',
  '--maxmemory-policy',
  'noeviction',
  '--hash-max-listpack-value',
  '2048',
]

/** @param extra further redis-server arguments, e.g. `['--maxmemory', '64mb']`; later ones win */
export const startRedis = async (extra: string[] = []): Promise<TestRedis> => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-redis-'))
  const port = await freePort()
  let child: ChildProcess | undefined
  const client = new Redis({ port, host: '127.0.0.1', lazyConnect: true, maxRetriesPerRequest: null, retryStrategy: () => 50 })
  client.on('error', () => {})
  const start = async (): Promise<void> => {
    if (child !== undefined) throw new Error('this Redis runs already')
    const own = spawn(
      'redis-server',
      ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--maxmemory', '1gb', ...DURABLE, ...extra],
      {
        stdio: 'ignore',
      },
    )
    child = own
    await once(own, 'spawn')
    // The first tries fail until Redis listens; the client goes on by itself and PING waits for it.
    if (client.status === 'wait') client.connect().catch(() => {})
    await client.ping()
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const own = child
    child = undefined
    if (own === undefined || own.exitCode !== null) return
    const gone = once(own, 'exit')
    own.kill(signal)
    await gone
  }
  await start()
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    client,
    start,
    kill: () => end('SIGKILL'),
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    stop: async () => {
      client.disconnect()
      child?.kill('SIGCONT')
      await end('SIGTERM')
      await rm(folder, { recursive: true, force: true })
    },
  }
}
