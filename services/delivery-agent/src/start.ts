/** Puts the delivery-agent together: real connections, real clock. Wiring only. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createContentStore } from '@sluice/content-store'
import { lanePrefix, placesInLane, type Task } from '@sluice/contracts'
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
import { createAdmission, createContentRelease, createReroute, createSessionClient, type SessionKey } from '@sluice/spool'
import { startTracing } from '@sluice/tracing'
import { createApplyReplyRules } from './apply-reply-rules.ts'
import { createConversations } from './conversations.ts'
import { createLingering } from './lingering.ts'
import { createTellSender } from './notices.ts'
import { createErrands } from './session-errands.ts'
import { createAgentMetrics } from './session-metrics.ts'
import { createConclude } from './session-outcomes.ts'
import { createSessionRunner } from './session-runner.ts'
import { createTaskHandler } from './session-task.ts'
import { startSessionWorkers } from './session-worker.ts'
import { createShapeRoute } from './shaped-route.ts'

const SERVICE = 'delivery-agent'
/**
 * A far end that has not come to the content by then is not waited for: nothing was transmitted, so another agent does it as well, and
 * the grace time is as long as it is for replies to the final dot alone.
 */
const WAIT_FOR_CONTENT_MS = 30_000
/** What is still in hand this long before the grace time ends is aborted, so that it can be handed back. */
const HAND_BACK_MS = 3000
/** A final reply that takes longer is worth a note that the content has ended: after a crash the outcome is told as unknown. */
const MARK_AFTER_MS = 5
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

export const startDeliveryAgent = async (written: Config, options: StartOptions = {}): Promise<StartedService> => {
  const log = options.log ?? createLogger({ level: written.log.level, service: SERVICE })
  const live = watchConfig({ config: written, source: options.source ?? null, log })
  const { config } = live
  const registry = createMetrics(SERVICE, { processFigures: options.log === undefined })
  declareConfig(registry, live.isRefused)
  const sample = (): number => config.tracing.sample
  const tracing = await startTracing({ service: SERVICE, sample, env: process.env, log, metrics: registry })
  const { tracer } = tracing
  const now = createClock(process.env)
  const { lanes } = config.redis
  const redis = connectService(config.redis, SERVICE, log)
  const { write, command, blocking } = redis
  const directory = createLiveDirectory(live)
  const { servers, timeoutMs } = config.resolver
  const resolver = createResolver({
    servers,
    timeoutMs,
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
  const metrics = createAgentMetrics(registry)
  const accept = createAdmission({ redis: write, lanes, now, wait: config.redis.wait, told: createAdmissionFigures(registry) })
  const stopping = { yes: false }
  const abort = new AbortController()
  const leave = new AbortController()
  const atStake = new Set<SessionKey>()
  const { signal } = abort
  const tellSender = createTellSender({ config, directory, accept, log, count: metrics.event, now, signal })
  const conclude = createConclude({ config, tellSender, log, metrics, now, random: Math.random })
  const applyRules = createApplyReplyRules({ directory, log, metrics: registry, event: () => metrics.event('curb') })
  const conversations = createConversations({ config, resolver, log, metrics: registry, now, applyRules })
  const release = createContentRelease({ redis: command })
  const lingering = createLingering({
    subscriber: redis.listen(),
    agent: randomUUID(),
    lanes,
    places: placesInLane(config.delivery.sessions, lanes),
    log,
  })
  const runSession = createSessionRunner({
    client: createSessionClient({
      redis: command,
      now,
      random: Math.random,
      historyMax: config.history.max,
      historyKeepMs: config.history.keepMs,
    }),
    shapeRoute: createShapeRoute({ directory, resolver }),
    policy: live.version,
    openConversation: conversations.open,
    tasks: createTaskHandler({ contentStore, conclude, tracer, log, metrics, now }),
    execute: createErrands({
      contentStore,
      tellSender,
      reroute: createReroute({ redis: command, lanes, now }),
      tracer,
      log,
      metrics,
      now,
    }),
    lingering,
    releaseContent: async (destination, task: Task) => {
      if (task.content.store === 'inline') return
      if (await release(task.content.lane, task.id, destination)) await contentStore.remove(task.id, task.content)
    },
    log,
    metrics,
    // Where it decides what becomes of the task, nothing is left to chance; else a quick reply needs no such note.
    markAfterMs: config.delivery.unknownOutcome === 'hold' ? 0 : MARK_AFTER_MS,
    stopping: () => stopping.yes,
    signal,
    leave: leave.signal,
    atStake,
  })
  declareRedis(registry, () => command.ping())
  const readiness = () => redis.readiness(stopping.yes)
  const health = await startHealthServer({ host: config.http.host, port: config.http.ports[SERVICE], registry, readiness })
  const workers = await startSessionWorkers({
    redis: blocking,
    lanes,
    concurrency: config.delivery.sessions,
    runSession,
    isAtStake: () => atStake.size > 0,
    log,
  })
  return {
    log,
    listening: [{ name: 'http', address: health.address.host, port: health.address.port }],
    close: async () => {
      live.stop()
      stopping.yes = true
      lingering.close()
      const lastMs = Math.max(0, config.shutdownGraceMs - HAND_BACK_MS)
      const leaving = setTimeout(() => leave.abort(), Math.min(WAIT_FOR_CONTENT_MS, lastMs))
      const aborting = setTimeout(() => abort.abort(), lastMs)
      // BullMQ waits for Redis before it lets go; the grace time does not.
      await Promise.race([workers.close(), sleep(Math.max(0, config.shutdownGraceMs - LAST_MS), undefined, { ref: false })])
      clearTimeout(leaving)
      clearTimeout(aborting)
      // What was given up must not come to its dot while the rest is closed.
      abort.abort()
      leave.abort()
      await conversations.closeIdle()
      await health.close()
      await tracing.close()
      redis.disconnect()
    },
  }
}
