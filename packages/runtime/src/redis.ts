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
import { type CommonRedisOptions, Redis } from 'ioredis'
import { createLogger, type Log } from './log.ts'

export type RedisRole = 'write' | 'command' | 'worker'

/** What `config.redis` says. */
export type RedisConfig = { url: string | null; password: string | null }

const REPLY_TIMEOUT_MS = 15_000

const ROLES: Record<RedisRole, Omit<CommonRedisOptions, 'replyMapping'>> = {
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
const withPassword = (url: string, password: string | null): string => {
  if (password === null) return url
  const whole = new URL(url)
  whole.password = encodeURIComponent(password)
  return whole.href
}

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
 * Opens a connection; it connects by itself, now and after every outage. With role `write`, wait for `ready` or expect refusals.
 * @param options.name stands in CLIENT LIST and in the log
 * @param options.log default: a log of its own under that name
 * @throws when there is no URL
 */
export const connectRedis = (config: RedisConfig, options: { role: RedisRole; name: string; log?: Log }): Redis => {
  if (config.url === null) throw new Error('redis.url is not set: `sluice up` runs a Redis of its own and passes its address on')
  const redis = new Redis(withPassword(config.url, config.password), {
    ...ROLES[options.role],
    connectionName: `sluice-${options.name}`,
    retryStrategy,
    keepAlive: 10_000,
    // After a failover the old primary answers READONLY: connect anew, and send nothing again.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 1 : false),
  })
  logOutages(redis, options.name, options.log ?? createLogger({ level: 'info', service: options.name }))
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
