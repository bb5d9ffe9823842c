/**
 * A master with replicas, and Sentinels that put a replica in its place when it dies or hangs: real servers on loopback. `stop`
 * ends them all and removes their folders.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort } from './port.ts'
import { type Program, startProgram } from './program.ts'
import { startRedis, type TestRedis } from './redis.ts'
import { until } from './until.ts'

export type TestRedisSentinels = {
  servers: readonly TestRedis[]
  /** `host:port` of the Sentinels, as a config names them. */
  addresses: string[]
  /** The server that the Sentinels call master now. */
  master: () => Promise<TestRedis>
  /** Resolves when the Sentinels name another master than this, and it takes writes. */
  failedOver: (from: TestRedis) => Promise<TestRedis>
  /** Resolves when the master has every other living server as a replica in touch. */
  settled: () => Promise<void>
  stop: () => Promise<void>
}

const SENTINELS = 3
const NAME = 'mymaster'
/** A master that hangs so long is down. */
const DOWN_AFTER_MS = 1000

type Sentinel = { program: Program; client: Redis; port: number }

const startSentinel = async (folder: string, masterPort: number): Promise<Sentinel> => {
  const port = await freePort()
  const file = join(folder, `sentinel-${port}.conf`)
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor ${NAME} 127.0.0.1 ${masterPort} 2`,
    `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${NAME} 5000`,
    `sentinel parallel-syncs ${NAME} 2`,
  ]
  await writeFile(file, `${lines.join('\n')}\n`)
  const program = await startProgram('redis-server', [file, '--sentinel'])
  const client = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: null, retryStrategy: () => 50 })
  client.on('error', () => {}) // until it listens
  return { program, client, port }
}

/** @param options.extra further redis-server arguments of every data server */
export const startRedisSentinels = async (options: { replicas?: number; extra?: string[] } = {}): Promise<TestRedisSentinels> => {
  const { replicas = 1, extra = [] } = options
  const common = ['--repl-diskless-sync-delay', '0', ...extra]
  const folder = await mkdtemp(join(tmpdir(), 'sluice-sentinel-'))
  const first = await startRedis(common)
  const others = await Promise.all(
    Array.from({ length: replicas }, () => startRedis([...common, '--replicaof', `127.0.0.1 ${first.port}`])),
  )
  const servers = [first, ...others]
  const inTouch = async (master: TestRedis, count: number): Promise<boolean> => {
    const text = await master.client.info('replication')
    return text.includes('role:master') && (text.match(/^slave\d+:.*state=online/gm)?.length ?? 0) >= count
  }
  await until('the replicas', () => inTouch(first, replicas))
  const sentinels = await Promise.all(Array.from({ length: SENTINELS }, () => startSentinel(folder, first.port)))
  const [asked] = sentinels
  if (asked === undefined) throw new Error('no sentinel')
  const knowAll = async ({ client }: Sentinel): Promise<boolean> => {
    const facts = (await client.call('SENTINEL', 'MASTER', NAME)) as string[]
    const value = (name: string): number => Number(facts[facts.indexOf(name) + 1])
    return value('num-other-sentinels') === SENTINELS - 1 && value('num-slaves') >= replicas
  }
  for (const sentinel of sentinels) await until('sentinels that know each other', () => knowAll(sentinel))
  const master = async (): Promise<TestRedis> => {
    const [, port] = (await asked.client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME)) as string[]
    const found = servers.find((server) => server.port === Number(port))
    if (found === undefined) throw new Error(`the sentinels name a master on port ${port}`)
    return found
  }
  const living = (): number => servers.filter(({ client }) => client.status === 'ready').length
  return {
    servers,
    addresses: sentinels.map(({ port }) => `127.0.0.1:${port}`),
    master,
    failedOver: async (from) => {
      await until('another master', async () => {
        const now = await master()
        return now !== from && (await now.client.info('replication')).includes('role:master')
      })
      return master()
    },
    settled: () => until('a master with all its replicas', async () => inTouch(await master(), living() - 1)),
    stop: async () => {
      for (const { client, program } of sentinels) {
        client.disconnect()
        await program.stop('SIGTERM')
      }
      await Promise.all(servers.map((server) => server.stop()))
      await rm(folder, { recursive: true, force: true })
    },
  }
}
