/**
 * A Redis Cluster of real servers on loopback: masters that share the slots evenly, each with replicas. A master that dies or hangs
 * is replaced within seconds. `stop` ends them all and removes their folders.
 */
import { freePort } from './port.ts'
import { startRedis, type TestRedis } from './redis.ts'
import { until } from './until.ts'

export type TestRedisCluster = {
  nodes: readonly TestRedis[]
  /** `host:port` of some nodes, as a config names them. */
  addresses: string[]
  /** The node that serves this key now. */
  masterOf: (key: string) => Promise<TestRedis>
  /** Resolves when every slot is served, and every living master has a replica in touch. */
  settled: () => Promise<void>
  stop: () => Promise<void>
}

const SLOTS = 16_384

const startNode = async (extra: string[]): Promise<{ node: TestRedis; busPort: number }> => {
  const busPort = await freePort()
  const cluster = ['--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-node-timeout', '1500']
  const node = await startRedis([...cluster, '--repl-diskless-sync-delay', '0', ...extra])
  return { node, busPort }
}

const info = async (node: TestRedis, section: string): Promise<string> => node.client.info(section)

/** Whoever answers; a dead node is asked nothing, as its client would wait for it. */
const living = (nodes: readonly TestRedis[]): TestRedis[] => nodes.filter(({ client }) => client.status === 'ready')

const isWhole = async (nodes: readonly TestRedis[], replicas: number): Promise<boolean> => {
  for (const node of living(nodes)) {
    if (!String(await node.client.cluster('INFO')).includes('cluster_state:ok')) return false
    const text = await info(node, 'replication')
    const online = text.match(/^slave\d+:.*state=online/gm)?.length ?? 0
    if (text.includes('role:master') && online < replicas) return false
    if (text.includes('role:slave') && !text.includes('master_link_status:up')) return false
  }
  return true
}

/** @param options.extra further redis-server arguments of every node */
export const startRedisCluster = async (
  options: { shards?: number; replicas?: number; extra?: string[] } = {},
): Promise<TestRedisCluster> => {
  const { shards = 3, replicas = 1, extra = [] } = options
  const started = await Promise.all(Array.from({ length: shards * (1 + replicas) }, () => startNode(extra)))
  const nodes = started.map(({ node }) => node)
  const [first] = started
  if (first === undefined) throw new Error('a cluster needs a shard')
  for (const [i, { node, busPort }] of started.entries()) {
    await node.client.cluster('SET-CONFIG-EPOCH', i + 1)
    if (i < shards) {
      const [from, to] = [Math.floor((i * SLOTS) / shards), Math.floor(((i + 1) * SLOTS) / shards) - 1]
      await node.client.cluster('ADDSLOTSRANGE', from, to)
    }
    if (i > 0) await first.node.client.call('CLUSTER', 'MEET', '127.0.0.1', String(node.port), String(busPort))
  }
  const everybody = async (): Promise<boolean> => {
    const views = await Promise.all(nodes.map(({ client }) => client.cluster('INFO')))
    return views.every((view) => String(view).includes(`cluster_known_nodes:${nodes.length}`))
  }
  await until('all nodes of the cluster to know each other', everybody)
  for (const [i, { node }] of started.entries()) {
    if (i < shards) continue
    const master = started[i % shards]?.node as TestRedis
    const id = await master.client.cluster('MYID')
    await until('a replica', async () => (await node.client.cluster('REPLICATE', id)) === 'OK')
  }
  const settled = (): Promise<void> => until('a whole cluster', () => isWhole(nodes, 0))
  await until('a whole cluster with its replicas', () => isWhole(nodes, replicas))
  return {
    nodes,
    addresses: nodes.slice(0, shards).map(({ port }) => `127.0.0.1:${port}`),
    masterOf: async (key) => {
      const [asked] = living(nodes)
      if (asked === undefined) throw new Error('no node of the cluster answers')
      const slot = await asked.client.cluster('KEYSLOT', key)
      const ranges = await asked.client.cluster('SLOTS')
      const port = ranges.find(([from, to]) => from <= slot && slot <= to)?.[2]?.[1]
      const found = nodes.find((node) => node.port === port)
      if (found === undefined) throw new Error(`nobody serves ${key}`)
      return found
    },
    settled,
    stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))),
  }
}
