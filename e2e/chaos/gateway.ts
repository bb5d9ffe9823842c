/** The gateway of a run: eight processes, each with lines of its own to Redis and, the agents, to every far end. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { NODE_FLAGS } from '@sluice/runtime'
import { freePort } from '@sluice/testkit'
import { Redis } from 'ioredis'
import { configText } from './config.ts'
import { type Disk, makeDisk } from './disk.ts'
import { type Line, startLine } from './line.ts'
import type { Shape } from './options.ts'
import { PROCESSES, type ProcessName } from './plan.ts'
import { createProcess, type Process } from './process.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const REDIS_ARGS = [
  ...['--bind', '127.0.0.1', '--save', '', '--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory', '1gb'],
  ...['--maxmemory-policy', 'noeviction', '--hash-max-listpack-value', '2048', '--auto-aof-rewrite-min-size', '32mb'],
]

export type Gateway = {
  folder: string
  process: (name: ProcessName) => Process
  processes: readonly Process[]
  /** The line of a process to Redis. */
  toRedis: (name: ProcessName) => Line
  /** The line of an agent to a far end, or to the `mailbox`. */
  toFar: (name: ProcessName, far: string) => Line
  smtpPorts: readonly number[]
  disk: Disk
  /** A connection of our own, which no fault cuts but the end of Redis itself. */
  redis: Redis
  lanes: number
  stop: () => Promise<string[]>
}

export type GatewayOptions = {
  folder: string
  /** Ports of the far ends, by the name of their route. */
  fars: Record<string, number>
  shape: Shape
  onLine: (life: string, line: string) => void
}

const linesTo = async (ports: Record<string, number>): Promise<Record<string, Line>> =>
  Object.fromEntries(await Promise.all(Object.entries(ports).map(async ([name, port]) => [name, await startLine(port)] as const)))

const portsOf = (lines: Record<string, Line>): Record<string, number> =>
  Object.fromEntries(Object.entries(lines).map(([name, { port }]) => [name, port]))

const isAgent = (name: string): boolean => name.startsWith('delivery-agent')

const redisProcess = (port: number, folder: string, redis: Redis, logs: string): Process =>
  createProcess({
    name: 'redis',
    command: 'redis-server',
    args: ['--port', String(port), '--dir', folder, ...REDIS_ARGS],
    env: process.env,
    logFile: join(logs, 'redis.log'),
    isUp: () =>
      redis.ping().then(
        () => true,
        () => false,
      ),
    onLine: () => {},
  })

const openRedis = (port: number): Redis => {
  const redis = new Redis({ host: '127.0.0.1', port, maxRetriesPerRequest: null, retryStrategy: () => 50, lazyConnect: true })
  redis.on('error', () => {}) // it connects again by itself
  redis.connect().catch(() => {})
  return redis
}

/** Ingress first, Redis last. @returns who had to be killed */
const stopAll = async (processes: readonly Process[]): Promise<string[]> => {
  const late: string[] = []
  for (const each of processes) if (!(await each.stop(20_000))) late.push(each.life())
  return late
}

export const startGateway = async ({ folder, fars, shape, onLine }: GatewayOptions): Promise<Gateway> => {
  const logs = join(folder, 'logs')
  await mkdir(logs, { recursive: true })
  const disk = await makeDisk(join(folder, 'redis'))
  const [redisPort, lmtp, ...smtpPorts] = [await freePort(), await freePort(), await freePort(), await freePort()]
  const redis = openRedis(redisPort!)
  const redisLines = new Map<string, Line>()
  const farLines = new Map<string, Record<string, Line>>()
  const processes = new Map<string, Process>([['redis', redisProcess(redisPort!, disk.folder, redis, logs)]])
  for (const name of PROCESSES) {
    if (name === 'redis') continue
    const [service, number] = [name.replace(/-\d$/, ''), Number(name.at(-1))]
    const line = await startLine(redisPort!)
    redisLines.set(name, line)
    // Where nobody listens there is no line: it would take the connection.
    const { closed: _, ...open } = fars
    const lines = isAgent(name) ? await linesTo({ ...open, mailbox: lmtp! }) : {}
    farLines.set(name, lines)
    const { mailbox = lmtp!, ...others } = { ...fars, ...portsOf(lines) }
    const config = join(folder, `${name}.yaml`)
    await writeFile(config, configText({ smtp: smtpPorts[number] ?? 0, lmtp: mailbox, fars: others }, shape))
    const env = { ...process.env, SLUICE_CONFIG: config, SLUICE_REDIS_URL: `redis://127.0.0.1:${line.port}`, SLUICE_DATA: folder }
    const compiled = { NODE_COMPILE_CACHE: join(ROOT, 'node_modules', '.cache', 'compile') }
    const args = [...NODE_FLAGS, join(ROOT, 'services', service, 'src', 'main.ts')]
    const logFile = join(logs, `${name}.log`)
    processes.set(name, createProcess({ name, command: process.execPath, args, env: { ...env, ...compiled }, logFile, onLine }))
  }
  const all = [...processes.values()]
  return {
    folder,
    process: (name) => processes.get(name)!,
    processes: all,
    toRedis: (name) => redisLines.get(name)!,
    toFar: (name, far) => farLines.get(name)![far]!,
    smtpPorts,
    disk,
    redis,
    lanes: shape.lanes,
    stop: async () => {
      const late = await stopAll(all.toReversed())
      redis.disconnect()
      for (const line of [...redisLines.values(), ...[...farLines.values()].flatMap((lines) => Object.values(lines))]) line.stop()
      await disk.remove()
      return late
    },
  }
}
