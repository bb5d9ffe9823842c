/**
 * Connections to Redis, by what a lost one means:
 * - `write`: what it sends is the promise of a 250. Nothing is queued while Redis is away and nothing is ever sent a second
 *   time: a command whose reply is lost rejects at once (`redisFate` says `unknown`), and so does one that gets no reply in time.
 * - `command`: ordinary questions; they wait for a short reconnect, then reject. Never sent twice either.
 * - `worker`: BullMQ's blocking connections; they wait as long as it takes.
 *
 * In ioredis 6 a command in flight when the connection breaks stays pending for ever when autoResendUnfulfilledCommands is
 * off, unless maxRetriesPerRequest flushes the queue on close: 0 does so at once (redis/event_handler.js, closeHandler).
 */
import type { ConnectionOptions } from 'node:tls'
import { type Cluster, type CommonRedisOptions, Redis } from 'ioredis'
import { createLogger, type Log } from './log.ts'
import { connectCluster } from './redis-cluster.ts'
import { type Address, formatAddress } from './units.ts'
import { writeTogether } from './write-together.ts'

export type RedisRole = 'write' | 'command' | 'worker'

/** What `config.redis` says; one of `url`, `sentinels` and `cluster` names servers. */
export type RedisConfig = {
  url: string | null
  /** Left out or null: the one in the URL, else the default user. */
  user?: string | null
  password: string | null
  sentinels?: Address[]
  sentinelName?: string
  sentinelPassword?: string | null
  cluster?: Address[]
  tls?: ConnectionOptions | null
}

/** Whether it says where Redis is. */
export const namesRedis = ({ url, sentinels = [], cluster = [] }: RedisConfig): boolean =>
  url !== null || sentinels.length > 0 || cluster.length > 0

/** Where it is, in words for people: no credentials. */
export const redisPlace = ({ url, sentinels = [], cluster = [] }: RedisConfig): string => {
  const all = (addresses: Address[]): string => addresses.map(formatAddress).join(', ')
  if (cluster.length > 0) return `the cluster of ${all(cluster)}`
  if (sentinels.length > 0) return `the master that the sentinels ${all(sentinels)} know`
  const whole = new URL(url ?? '')
  return `${whole.protocol}//${whole.host}`
}

export type RoleOptions = Omit<CommonRedisOptions, 'replyMapping'>

const REPLY_TIMEOUT_MS = 15_000
const CONNECT_TIMEOUT_MS = 5000
const SENTINEL_TIMEOUT_MS = 2000
const REVIVE_AFTER_MS = 100

const ROLES: Record<RedisRole, RoleOptions> = {
  write: {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: REPLY_TIMEOUT_MS,
  },
  command: { autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0, commandTimeout: REPLY_TIMEOUT_MS },
  worker: { maxRetriesPerRequest: null },
}

/** Reconnects soon, then every 2 s: Redis is on this machine or near. */
const retryStrategy = (times: number): number => Math.min(50 * 2 ** Math.min(times - 1, 6), 2000)

/** In ioredis what a URL says wins over options, and `redis://user@host` says an empty password. */
const withLogin = (url: string, { user, password }: RedisConfig): string => {
  const whole = new URL(url)
  if (typeof user === 'string') whole.username = encodeURIComponent(user)
  if (password !== null) whole.password = encodeURIComponent(password)
  return whole.href
}

const login = ({ user, password }: RedisConfig): RoleOptions => ({
  ...(typeof user === 'string' && { username: user }),
  ...(password !== null && { password }),
})

/** One line when Redis goes and one when it is back, however often is tried in between. */
const logOutages = (redis: Redis, name: string, log: Log): void => {
  let away = false
  redis.on('error', (error: Error) => {
    if (!away) log.error('redis does not answer; trying again', { connection: name, error })
    away = true
  })
  redis.on('ready', () => {
    if (away) log.info('redis is back', { connection: name })
    away = false
  })
}

/**
 * ioredis gives a connection up for good when the Sentinels tell of a failover while it is asking them for the master already
 * (SentinelConnector, connectToNext: `connecting` is off). Only a disconnect of our own is the end.
 */
const reviveUnlessClosed = (redis: Redis): void => {
  let closed = false
  const disconnect = redis.disconnect.bind(redis)
  redis.disconnect = (reconnect = false) => {
    closed = !reconnect
    disconnect(reconnect)
  }
  redis.on('end', () => {
    const timer = setTimeout(() => {
      if (!closed && redis.status === 'end') redis.connect().catch(() => {}) // the next end, or success
    }, REVIVE_AFTER_MS)
    timer.unref()
  })
}

const connectOne = (config: RedisConfig, options: RoleOptions): Redis => {
  const { sentinels = [], sentinelName = 'mymaster', sentinelPassword, tls } = config
  if (sentinels.length === 0) return new Redis(withLogin(config.url ?? '', config), { ...options, ...(tls && { tls }) })
  const redis = new Redis({
    ...options,
    ...login(config),
    ...(tls && { tls, sentinelTLS: tls, enableTLSForSentinelMode: true }),
    ...(typeof sentinelPassword === 'string' && { sentinelPassword }),
    sentinels: [...sentinels],
    name: sentinelName,
    role: 'master',
    sentinelRetryStrategy: retryStrategy,
    sentinelCommandTimeout: SENTINEL_TIMEOUT_MS,
    // A master that hangs keeps its connections: the Sentinels tell when another takes its place.
    failoverDetector: true,
  })
  reviveUnlessClosed(redis)
  return redis
}

/**
 * Opens a connection; it connects by itself, now and after every outage. With role `write`, wait for `ready` or expect refusals.
 * @param options.name stands in CLIENT LIST and in the log
 * @param options.log default: a log of its own under that name
 * @throws when nothing says where Redis is
 */
export const connectRedis = (config: RedisConfig, options: { role: RedisRole; name: string; log?: Log }): Redis | Cluster => {
  if (!namesRedis(config)) throw new Error('redis.url is not set: `sluice up` runs a Redis of its own and passes its address on')
  const log = options.log ?? createLogger({ level: 'info', service: options.name })
  const common: RoleOptions = {
    ...ROLES[options.role],
    connectionName: `sluice-${options.name}`,
    keepAlive: 10_000,
    connectTimeout: CONNECT_TIMEOUT_MS,
    // After a failover the old primary answers READONLY: connect anew, and send nothing again.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 1 : false),
  }
  if ((config.cluster ?? []).length > 0) {
    const redisOptions = { ...common, ...login(config), ...(config.tls && { tls: config.tls }) }
    return connectCluster(config.cluster ?? [], { role: options.role, name: options.name, log, redisOptions, retryStrategy })
  }
  const redis = connectOne(config, { ...common, retryStrategy })
  redis.on('connect', () => writeTogether(redis.stream))
  logOutages(redis, options.name, log)
  return redis
}

/**
 * What became of a write that rejected. `refused`: Redis was not reached or answered an error, nothing was stored (a script
 * that fails half-way is the script's to exclude). `unknown`: sent, but the reply was lost; it may have been stored.
 */
export const redisFate = (error: unknown): 'refused' | 'unknown' => {
  const { name, message } = error instanceof Error ? error : new Error(String(error))
  if (name === 'ReplyError') return 'refused'
  return message.startsWith("Stream isn't writeable") ? 'refused' : 'unknown'
}

const CONNECTION_ERRORS =
  /ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND|Connection is closed|Command timed out|Stream isn't writeable/

/** What BullMQ's Workers meet. An outage is told once, by the connection; here it is worth a word to those who look closely. */
export const logWorkerError = (log: Log, worker: string, error: Error): void => {
  const isOutage = CONNECTION_ERRORS.test(`${'code' in error ? error.code : ''} ${error.message}`)
  const write = isOutage ? log.debug : log.warn
  write('a worker met an error', { worker, error })
}
