/**
 * The Redis that `sluice up` runs when the config names none: durable as mail demands (appendonly, fsync before every answer,
 * no eviction, a bound on its memory), on loopback, behind a password. Port and password lie in the data folder, so that a
 * second start and the other commands find it.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { access, constants, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { totalmem } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import type { DataFolder } from '../data-folder.ts'
import type { ChildSpec } from './keeper.ts'
import { endRedisIn } from './leftover.ts'

const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
const MISSING =
  'redis-server is not installed. Install it (Debian: sudo apt-get install redis-server), or name a Redis with redis.url in the config.'

const findServer = async (env: NodeJS.ProcessEnv): Promise<string> => {
  for (const folder of [...(env.PATH ?? '').split(delimiter), ...SYSTEM_FOLDERS]) {
    const file = join(folder, 'redis-server')
    const found = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (folder !== '' && found) return file
  }
  throw new Error(MISSING)
}

/** A quarter of the memory that this machine, or this container, has; at least 256 MiB. */
const maxMemoryBytes = (): number => {
  const constrained = process.constrainedMemory()
  const available = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
  return Math.max(256 * 2 ** 20, Math.floor(available / 4))
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (address !== null && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))))
    })
  })

const readOrNull = (file: string): Promise<string | null> =>
  readFile(file, 'utf8').then(
    (text) => text.trim(),
    () => null,
  )

const connectOnce = (port: number, password: string): Redis => {
  const redis = new Redis({
    host: '127.0.0.1',
    port,
    password,
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: 2000,
  })
  redis.on('error', () => {})
  return redis
}

const configText = (folder: DataFolder, port: number, password: string): string =>
  [
    'bind 127.0.0.1',
    `port ${port}`,
    `requirepass ${password}`,
    `dir ${JSON.stringify(folder.redis)}`,
    `logfile ${JSON.stringify(join(folder.redis, 'redis.log'))}`,
    'loglevel notice',
    'daemonize no',
    'appendonly yes',
    'appendfsync always',
    'save ""',
    `maxmemory ${maxMemoryBytes()}`,
    'maxmemory-policy noeviction',
    'hash-max-listpack-value 2048',
    '',
  ].join('\n')

export type OwnRedis = { spec: ChildSpec; url: string; password: string }

/**
 * Chooses port and password, the recorded ones when there are any, and writes them down.
 *
 * @throws in one line when redis-server is missing or too old, or when one that was left behind does not end
 */
export const prepareRedis = async (folder: DataFolder, env: NodeJS.ProcessEnv): Promise<OwnRedis> => {
  const command = await findServer(env)
  const { stdout } = await promisify(execFile)(command, ['--version'])
  const major = Number(/v=(\d+)/.exec(stdout)?.[1] ?? 0)
  if (major < 7) throw new Error(`Sluice needs Redis 7 or newer; ${command} is version ${major}.`)
  await mkdir(folder.redis, { recursive: true, mode: 0o700 })
  const password = (await readOrNull(folder.redisPassword)) || randomBytes(24).toString('hex')
  await writeFile(folder.redisPassword, `${password}\n`, { mode: 0o600 })
  const recorded = Number(await readOrNull(folder.redisPort)) || null
  await endRedisIn(folder.redis)
  const port = recorded !== null && (await isFree(recorded)) ? recorded : await freePort()
  await writeFile(folder.redisPort, `${port}\n`)
  const spec = { name: 'redis', command, args: ['-'], env, input: configText(folder, port, password), ipc: false }
  return { spec, url: `redis://127.0.0.1:${port}`, password }
}

/** Resolves when it answers, its files read. @throws when `signal` aborts */
export const awaitRedis = async (own: OwnRedis, signal: AbortSignal): Promise<void> => {
  for (;;) {
    signal.throwIfAborted()
    const redis = connectOnce(Number(new URL(own.url).port), own.password)
    try {
      await redis.connect()
      await redis.ping()
      return
    } catch {
      await wait(30, undefined, { signal })
    } finally {
      redis.disconnect()
    }
  }
}
