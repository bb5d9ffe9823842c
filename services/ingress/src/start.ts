/** Everything that an ingress needs, made from the config and put together. */
import { dirname } from 'node:path'
import { createContentStore } from '@sluice/content-store'
import { homeLane, lanePrefix, newMessageId } from '@sluice/contracts'
import { type Config, type ConfigSource, createLiveDirectory, watchConfig } from '@sluice/directory'
import {
  connectRedis,
  createAdmissionFigures,
  createClock,
  createContentFigures,
  createLogger,
  createMetrics,
  declareConfig,
  declareRedis,
  type Listening,
  type Log,
  type Readiness,
  startHealthServer,
  watchDurability,
} from '@sluice/runtime'
import { createAdmission } from '@sluice/spool'
import { startTracing } from '@sluice/tracing'
import { createIngress } from './ingress.ts'
import { declareCertificates, declareStorage } from './metrics.ts'

const SERVICE = 'ingress'
/** How often Redis and the disk are looked at. */
const LOOK_EVERY_MS = 1000
/** The part of the grace time that running transactions get; the rest is for closing. */
const GRACE_FOR_CLIENTS = 0.9

export type StartedIngress = {
  /** R-shutdown: not ready, idle clients leave, transactions end, everything is closed. */
  close: () => Promise<void>
  listening: Listening[]
  log: Log
}

export type StartOptions = {
  log?: Log
  /** Where the config comes from, to follow its changes. */
  source?: ConfigSource | null
}

/** Redis' connections: writes of accepted messages, writes of content, questions. */
const connectAll = (config: Config, log: Log) => ({
  admission: connectRedis(config.redis, { role: 'write', name: `${SERVICE}-admission`, log }),
  content: connectRedis(config.redis, { role: 'write', name: `${SERVICE}-content`, log }),
  command: connectRedis(config.redis, { role: 'command', name: SERVICE, log }),
})

/** What watches whether a 250 would be kept. The folder above the contents is where `sluice up` keeps its Redis. */
const watch = (config: Config, { command }: ReturnType<typeof connectAll>, log: Log) =>
  watchDurability({
    redis: command,
    laneKeys: Array.from({ length: config.redis.lanes }, (_, lane) => lanePrefix(lane)),
    replicas: config.redis.wait?.replicas ?? 0,
    requireDurable: config.redis.requireDurable,
    fullAt: config.redis.fullAt,
    diskDirectories: [config.content.directory, dirname(config.content.directory)],
    minFreeBytes: config.content.minFreeBytes,
    intervalMs: LOOK_EVERY_MS,
    log,
  })

/** @throws when a port cannot be had or a certificate cannot be read */
export const startIngress = async (written: Config, options: StartOptions = {}): Promise<StartedIngress> => {
  const log = options.log ?? createLogger({ level: written.log.level, service: SERVICE })
  const live = watchConfig({ config: written, source: options.source ?? null, log })
  const { config } = live
  const metrics = createMetrics(SERVICE, { processFigures: options.log === undefined })
  const sample = (): number => config.tracing.sample
  const tracing = await startTracing({ service: SERVICE, sample, env: process.env, log, metrics })
  const now = createClock(process.env)
  const redis = connectAll(config, log)
  const durability = watch(config, redis, log)
  let stopping = false
  const readiness = (): Readiness => {
    if (stopping) return { kind: 'away', reason: 'the service stops' }
    const { status } = redis.admission
    return status === 'ready' ? durability() : { kind: 'away', reason: `redis is ${status}` }
  }
  declareConfig(metrics, live.isRefused)
  declareRedis(metrics, () => redis.command.ping())
  declareStorage(metrics, durability.roomBytes)
  const { lanes } = config.redis
  const admit = createAdmission({
    redis: redis.admission,
    lanes,
    now,
    wait: config.redis.wait,
    told: createAdmissionFigures(metrics),
  })
  const ingress = createIngress({
    config,
    directory: createLiveDirectory(live),
    contentStore: createContentStore({
      redis: redis.content,
      lanePrefix,
      lanes,
      ...config.content,
      told: createContentFigures(metrics, [config.content.store]),
    }),
    laneOf: (destinations, id) => homeLane(destinations, id, lanes),
    accept: (message) => {
      durability.taking(message.envelope.sizeBytes)
      return admit(message)
    },
    readiness,
    log,
    metrics,
    tracer: tracing.tracer,
    now,
    newMessageId,
  })
  declareCertificates(metrics, ingress.certificates)
  await durability.check()
  const { host, ports } = config.http
  const health = await startHealthServer({ host, port: ports[SERVICE], registry: metrics, readiness })
  const close = async (): Promise<void> => {
    live.stop()
    stopping = true
    await ingress.close(config.shutdownGraceMs * GRACE_FOR_CLIENTS)
    durability.stop()
    await health.close()
    await tracing.close()
    for (const connection of Object.values(redis)) connection.disconnect()
  }
  const listening = await ingress.listen().catch(async (fault: unknown) => {
    await close()
    throw fault
  })
  for (const warning of config.warnings) log.warn(warning)
  log.info('listening', { listeners: listening })
  return {
    log,
    close,
    listening: [...listening, { name: 'http', address: health.address.host, port: health.address.port }],
  }
}
