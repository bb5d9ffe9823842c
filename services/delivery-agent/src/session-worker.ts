/**
 * Takes sessions from the lanes' `delivery` queues: one BullMQ Worker per lane. BullMQ renews the lock of a session while it
 * runs, and gives a session whose agent died to another. Sessions are moved by the spool's script alone, so every run ends
 * with DelayedError, BullMQ's word for "moved already". A stalled session is never failed: its mail would be lost from sight.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { lanePrefix, placesInLane } from '@sluice/contracts'
import { type Log, logWorkerError } from '@sluice/runtime'
import { DelayedError, type Job, Worker } from 'bullmq'
import type { Cluster, Redis } from 'ioredis'
import { z } from 'zod'
import type { RunSession, SessionRun } from './session-runner.ts'
import { patientBackend } from './stalled-check.ts'

export const LOCK_MS = 15_000
const STALLED_EVERY_MS = 5_000
/** BullMQ renews a lock when half of its time is over: a shorter outage lets none lapse. */
const LONG_OUTAGE_MS = LOCK_MS / 2
/** For the goodbye of an idle worker to Redis, which may be gone for good. */
const LET_GO_MS = 2_000
/** While it closes, and then only. */
const LOOK_EVERY_MS = 500

const sessionSchema = z.object({ destination: z.string(), expire: z.boolean().optional(), errand: z.boolean().optional() })

const runOf = (lane: number, job: Job, token: string): SessionRun => {
  const { destination, expire, errand } = sessionSchema.parse(job.data)
  const run = job.attemptsStarted
  const key = { lane, destination, id: job.id ?? '', token, run }
  return { key, expire: expire === true, errand: errand === true }
}

export type SessionWorkerOptions = {
  /** Role `worker`. */
  redis: Redis | Cluster
  lanes: number
  concurrency: number
  runSession: RunSession
  /** A far end may have a message whose outcome is not recorded yet. */
  isAtStake: () => boolean
  log: Log
}

export type SessionWorkers = {
  /**
   * Takes no more; resolves when what runs has ended. BullMQ waits for Redis before it lets go; with no session running, or none that
   * has an outcome to record, we do not.
   */
  close: () => Promise<void>
}

/** How many sessions run, and the moment when none does. */
const createInHand = () => {
  let count = 0
  let waiting: (() => void)[] = []
  return {
    begin: (): void => {
      count += 1
    },
    end: (): void => {
      count -= 1
      if (count > 0) return
      for (const resolve of waiting) resolve()
      waiting = []
    },
    any: (): boolean => count > 0,
    none: (): Promise<void> => (count === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  }
}

/**
 * Resolves when no session has run for a moment: one that was being taken as the agent was told to stop may begin after the last of the
 * others has ended.
 */
const untilIdle = async (inHand: ReturnType<typeof createInHand>): Promise<void> => {
  do {
    await inHand.none()
    await sleep(LET_GO_MS, undefined, { ref: false })
  } while (inHand.any())
}

/**
 * Resolves when Redis has been away for longer than a lock lasts, and nothing is at stake: what is in hand then is untried as far as any
 * far end knows, and another run takes it up once Redis is back. An outcome is not given up so: a lapsed lock lets it be settled as long
 * as no other run has begun, and else what was delivered would be delivered again.
 */
const untilGivenUp = async (redis: Redis | Cluster, isAtStake: () => boolean): Promise<void> => {
  let readyAt = Date.now()
  while (isAtStake() || Date.now() - readyAt < LOCK_MS + LET_GO_MS) {
    if (redis.status === 'ready') readyAt = Date.now()
    await sleep(LOOK_EVERY_MS, undefined, { ref: false })
  }
}

export const startSessionWorkers = async (options: SessionWorkerOptions): Promise<SessionWorkers> => {
  const { redis, lanes, concurrency, runSession, isAtStake, log } = options
  const inHand = createInHand()
  const process = (lane: number) => async (job: Job, token?: string) => {
    inHand.begin()
    try {
      await runSession(runOf(lane, job, token ?? ''))
    } catch (error) {
      log.error('a session ended unexpectedly; another run will take it up', { session: job.id, error })
    } finally {
      inHand.end()
    }
    throw new DelayedError()
  }
  const workers = Array.from({ length: lanes }, (_, lane) => {
    const worker = new Worker(
      'delivery',
      process(lane),
      {
        connection: redis,
        prefix: lanePrefix(lane),
        concurrency: placesInLane(concurrency, lanes),
        lockDuration: LOCK_MS,
        stalledInterval: STALLED_EVERY_MS,
        maxStalledCount: Number.MAX_SAFE_INTEGER,
        runRetryDelay: 1000,
      },
      patientBackend(redis, LONG_OUTAGE_MS),
    )
    worker.on('error', (error) => logWorkerError(log, 'sessions', error))
    return worker
  })
  await Promise.all(workers.map((worker) => worker.waitUntilReady()))
  return {
    close: async () => {
      const closed = Promise.all(workers.map((worker) => worker.close()))
      await Promise.race([closed, untilIdle(inHand), untilGivenUp(redis, isAtStake)])
    },
  }
}
