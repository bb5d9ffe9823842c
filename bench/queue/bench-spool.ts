/**
 * A spool of the bench's own: a durable Redis (appendfsync always), the real admission on a connection of the kind that ingress has,
 * and grants for an hour. A real spooler wakes; the grants are given by the bench, because the spooler's come from MX records.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { laneOf, newMessageId, PAYLOAD_VERSION } from '@sluice/contracts'
import { connectRedis, createLogger, type RedisConfig } from '@sluice/runtime'
import { type Accept, createAdmission, createScheduling, type Grant } from '@sluice/spool'
import { freePort, startRedis, startRedisCluster, type TestRedis } from '@sluice/testkit'

type Several = readonly [TestRedis, ...TestRedis[]]

export type BenchSpool = {
  /** The one Redis, or the masters of a cluster. */
  servers: Several
  /** As agents need it. */
  redis: RedisConfig
  lanes: number
  /** A config file for services on this spool, and their data folder. */
  config: string
  data: string
  /** Admits one message; @returns its ID, when it is durable. */
  admit: (destination: string, contentBytes: number) => Promise<string>
  grant: (destinations: readonly string[], over?: Partial<Grant>) => Promise<void>
  stop: () => Promise<void>
}

const HOUR_MS = 3_600_000
const GRANTS_AT_ONCE = 200
const MEMORY = ['--maxmemory', '8gb']

const configText = (where: string, lanes: number, port: number): string =>
  [
    'hostname: queue.bench.test',
    `redis: { ${where}, lanes: ${lanes}, requireDurable: true }`,
    `listeners: [{ name: smtp, listen: "127.0.0.1:${port}" }]`,
    // Destinations that lose their grant get the narrowest one: no case lasts so long.
    'routes: [{ name: far, match: ["far.bench.test"], type: smtp, hosts: ["127.0.0.1:9"] }]',
    'http: { ports: { ingress: 0, spooler: 0, delivery-agent: 0, mailbox: 0 } }',
    '',
  ].join('\n')

const grantOf = (destination: string, over: Partial<Grant>): Grant => ({
  site: destination,
  sessions: 20,
  siteSessions: 20,
  intervalUs: 0,
  siteIntervalUs: 0,
  class: '',
  share: 10,
  exempt: false,
  maxAgeMs: 10 * HOUR_MS,
  perSession: 3,
  until: Date.now() + HOUR_MS,
  ...over,
})

const messageFor = (destination: string, content: Buffer): Accept => {
  const now = Date.now()
  const to = [{ address: 'friend.of.mine@far.bench.test' }]
  const envelope = {
    v: PAYLOAD_VERSION,
    id: newMessageId(now),
    from: 'source@bench.test',
    to,
    sizeBytes: content.length,
    body: '7bit',
    utf8: false,
    receivedAt: now,
    client: '127.0.0.1 (source.bench.test) ESMTP',
  } as const
  return { envelope, content: { kind: 'inline', bytes: content }, destinations: new Map([[destination, to]]) }
}

type Servers = { all: Several; redis: RedisConfig; written: string; stop: () => Promise<void> }

const startServers = async (shards: number): Promise<Servers> => {
  if (shards === 1) {
    const server = await startRedis(MEMORY)
    const redis = { url: server.url, password: null }
    return { all: [server], redis, written: `url: "${server.url}"`, stop: server.stop }
  }
  const servers = await startRedisCluster({ shards, replicas: 0, extra: MEMORY })
  const cluster = servers.addresses.map((address) => ({ host: '127.0.0.1', port: Number(address.split(':')[1]) }))
  const redis = { url: null, password: null, cluster }
  const [first, ...rest] = servers.nodes
  if (first === undefined) throw new Error('a cluster without nodes')
  return { all: [first, ...rest], redis, written: `cluster: ${JSON.stringify(servers.addresses)}`, stop: servers.stop }
}

/**
 * @param lanes parts of the keyspace; 1 on a single Redis
 * @param shards 1: one Redis; more: a cluster of so many masters
 */
export const startBenchSpool = async (lanes = 1, shards = 1): Promise<BenchSpool> => {
  const { all, redis, written, stop } = await startServers(shards)
  const folder = await mkdtemp(join(tmpdir(), 'sluice-queue-'))
  const config = join(folder, 'config.yaml')
  await writeFile(config, configText(written, lanes, await freePort()))
  const log = createLogger({ level: 'warn', service: 'bench' })
  const write = connectRedis(redis, { role: 'write', name: 'bench-write', log })
  const command = connectRedis(redis, { role: 'command', name: 'bench', log })
  while (write.status !== 'ready') await sleep(5)
  const accept = createAdmission({ redis: write, lanes, now: Date.now })
  const scheduling = createScheduling({ redis: command, now: Date.now })
  const contents = new Map<number, Buffer>()
  const contentOf = (bytes: number): Buffer => {
    const content = contents.get(bytes) ?? Buffer.alloc(bytes, 'Subject: bench\r\n\r\nXXXXXXXXXXXXXXXX\r\n')
    contents.set(bytes, content)
    return content
  }
  return {
    servers: all,
    redis,
    lanes,
    config,
    data: folder,
    admit: async (destination, contentBytes) => {
      const message = messageFor(destination, contentOf(contentBytes))
      await accept(message)
      return message.envelope.id
    },
    grant: async (destinations, over = {}) => {
      for (let i = 0; i < destinations.length; i += GRANTS_AT_ONCE) {
        const some = destinations.slice(i, i + GRANTS_AT_ONCE)
        await Promise.all(some.map((each) => scheduling.grant(laneOf(each, lanes), each, grantOf(each, over))))
      }
    },
    stop: async () => {
      write.disconnect()
      command.disconnect()
      await stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
