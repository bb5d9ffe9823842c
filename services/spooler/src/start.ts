/** Puts the spooler together: real connections, real clock. Wiring only. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createContentStore } from '@sluice/content-store'
import { lanePrefix } from '@sluice/contracts'
import { type Config, type ConfigSource, createLiveDirectory, watchConfig } from '@sluice/directory'
import { createResolver } from '@sluice/mx'
import {
  connectService,
  createAdmissionFigures,
  createClock,
  createContentFigures,
  createLogger,
  createMetrics,
  declareConfig,
  declareRedis,
  type Log,
  startHealthServer,
} from '@sluice/runtime'
import {
  createAdmission,
  createAuditFollower,
  createFigures,
  createScheduling,
  createSessionsWanted,
  createTidying,
  createWhy,
  isMetered,
} from '@sluice/spool'
import { startTracing } from '@sluice/tracing'
import { declareFigures } from './figures.ts'
import { createGathering } from './gathering.ts'
import { createGrants, intervalUs } from './grants.ts'
import { startIntake } from './intake.ts'
import { createSpoolerMetrics } from './metrics.ts'
import { createScaling, declareScaling } from './scaling.ts'
import { createTending } from './tending.ts'
import { createWaking } from './waking.ts'

const SERVICE = 'spooler'
/** Nothing that a spooler does takes longer. */
const MOST_GRACE_MS = 10_000
/** Left for closing what is open. */
const LAST_MS = 500

export type StartedService = {
  close: () => Promise<void>
  listening: { name: string; address: string; port: number }[]
  log: Log
}

export type StartOptions = {
  log?: Log
  /** Where the config comes from, to follow its changes. */
  source?: ConfigSource | null
}

export const startSpooler = async (written: Config, options: StartOptions = {}): Promise<StartedService> => {
  const log = options.log ?? createLogger({ level: written.log.level, service: SERVICE })
  const live = watchConfig({ config: written, source: options.source ?? null, log })
  const { config } = live
  const registry = createMetrics(SERVICE, { processFigures: options.log === undefined })
  const metrics = createSpoolerMetrics(registry)
  declareConfig(registry, live.isRefused)
  const sample = (): number => config.tracing.sample
  const tracing = await startTracing({ service: SERVICE, sample, env: process.env, log, metrics: registry })
  const now = createClock(process.env)
  const { lanes } = config.redis
  const redis = connectService(config.redis, SERVICE, log)
  const { write, command, blocking } = redis
  const resolver = createResolver({
    servers: config.resolver.servers,
    timeoutMs: config.resolver.timeoutMs,
    ownNames: [config.hostname],
    allowPrivate: config.delivery.allowPrivateMx,
  })
  const contentStore = createContentStore({
    redis: command,
    lanePrefix,
    lanes,
    ...config.content,
    told: createContentFigures(registry, [config.content.store]),
  })
  const directory = createLiveDirectory(live)
  const scheduling = createScheduling({ redis: command, now })
  const tidying = createTidying({ redis: command, lanes })
  const abort = new AbortController()
  const { signal } = abort
  const waking = createWaking({
    scheduling,
    lanes,
    capUs: () => Math.round(intervalUs(config.spooler.rate) * lanes),
    policy: live.version,
    grantOf: createGrants({ config, directory, resolver, now }),
    now,
    log,
    looked: metrics.looked,
    signal,
  })
  const tending = createTending({
    scheduling,
    contentStore,
    isNeeded: tidying.isNeeded,
    retryIntake: tidying.retryIntake,
    followAudit: createAuditFollower({ redis: command }),
    lanes,
    log,
    repaired: metrics.repaired,
    notSwept: metrics.notSwept,
    signal,
  })
  declareRedis(registry, () => command.ping())
  const figures = createFigures({ redis: command, now })
  const askWhy = createWhy({ redis: command, lanes, now })
  const { siteClassOf } = directory
  const asked = async (destination: string): Promise<boolean> => isMetered(await askWhy(destination))
  declareFigures(registry, createGathering({ figures, lanes, siteClassOf, isMetered: asked, now, log, signal }))
  const scaling = createScaling(createSessionsWanted({ redis: command, lanes, now: Date.now }), config.delivery.sessions)
  declareScaling(registry, scaling)
  const readiness = () => redis.readiness(signal.aborted)
  const health = await startHealthServer({
    host: config.http.host,
    port: config.http.ports[SERVICE],
    registry,
    readiness,
    pages: { '/scaling': scaling },
  })
  const intake = await startIntake({
    redis: blocking,
    lanes,
    accept: createAdmission({ redis: write, lanes, now, wait: config.redis.wait, told: createAdmissionFigures(registry) }),
    forgetOnce: tidying.forgetOnce,
    log,
    tracer: tracing.tracer,
    now,
    signal,
    admitted: metrics.admitted,
    parked: metrics.parked,
  })
  const running = Promise.all([waking(), tending()])
  return {
    log,
    listening: [{ name: 'http', address: health.address.host, port: health.address.port }],
    close: async () => {
      live.stop()
      abort.abort()
      // BullMQ waits for Redis before it lets go, for ever when Redis comes back at that moment. An intake takes milliseconds, and
      // whatever is in hand is taken up by others: so the grace time may be cut short.
      const grace = sleep(Math.max(0, Math.min(MOST_GRACE_MS, config.shutdownGraceMs - LAST_MS)), undefined, { ref: false })
      await Promise.race([Promise.all([running, intake.close()]), redis.untilAway(), grace])
      await health.close()
      await tracing.close()
      redis.disconnect()
    },
  }
}
