/**
 * Connections to a Redis Cluster, by the same roles. MOVED, ASK, TRYAGAIN and CLUSTERDOWN say that a command was not run, so it
 * goes to the right node, whatever the role. A connection that breaks says nothing of what was sent through it: only the role
 * `worker` sends that again, as it does with one server.
 */
import { Cluster, type ClusterOptions } from 'ioredis'
import type { Log } from './log.ts'
import type { RedisRole } from './redis.ts'
import { type Address, formatAddress } from './units.ts'
import { writeTogether } from './write-together.ts'

/** A node that hangs answers no MOVED: so often the map of the cluster is looked at whatever happens. */
const LOOK_AT_MAP_MS = 5000
const MAP_TIMEOUT_MS = 2000
/**
 * A Worker that waits for a job gives up by itself when its node hangs, before BullMQ's watchdog would, which comes a second after
 * the time that Redis was told: on a cluster, its reset of the connection may wait for ever for an end that its recovery prevents.
 */
const BLOCKING = { blockingTimeout: 900, blockingTimeoutGrace: 500 }

export type ClusterConnection = {
  role: RedisRole
  name: string
  log: Log
  redisOptions: Omit<NonNullable<ClusterOptions['redisOptions']>, 'replyMapping'>
  retryStrategy: (times: number) => number
}

/** One line when a node goes and one when it is back, however often is tried in between. */
const logOutages = (cluster: Cluster, name: string, log: Log): void => {
  const away = new Set<string>()
  cluster.on('node error', (error: Error, node: string) => {
    if (!away.has(node)) log.error('a node of the redis cluster does not answer', { connection: name, node, error })
    away.add(node)
  })
  cluster.on('+node', (redis) => {
    redis.on('connect', () => writeTogether(redis.stream))
    const node = formatAddress({ host: redis.options.host ?? '', port: redis.options.port ?? 0 })
    redis.on('ready', () => {
      if (away.delete(node)) log.info('a node of the redis cluster is back', { connection: name, node })
    })
  })
  cluster.on('error', (error: Error) =>
    log.error('no node of the redis cluster answers; trying again', { connection: name, error }),
  )
}

/** @param nodes some of the cluster's; the others are found through them */
export const connectCluster = (nodes: readonly Address[], connection: ClusterConnection): Cluster => {
  const { role, name, log, redisOptions, retryStrategy } = connection
  const cluster = new Cluster([...nodes], {
    redisOptions: role === 'worker' ? { ...redisOptions, ...BLOCKING } : redisOptions,
    clusterRetryStrategy: retryStrategy,
    enableOfflineQueue: role !== 'write',
    retryDelayOnFailover: role === 'worker' ? 200 : 0,
    slotsRefreshInterval: LOOK_AT_MAP_MS,
    slotsRefreshTimeout: MAP_TIMEOUT_MS,
    // Names stay names, so that certificates fit them.
    ...(redisOptions.tls && { dnsLookup: (host, found) => found(null, host) }),
  })
  // Without an offline queue, whoever comes first to a node would be refused while it connects.
  if (role === 'write')
    cluster.on('+node', (redis) => {
      if (redis.status === 'wait') redis.connect().catch(() => {}) // told as a node error
    })
  logOutages(cluster, name, log)
  return cluster
}
