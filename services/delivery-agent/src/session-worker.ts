/**
 * Takes sessions from the lanes' `delivery` queues: one BullMQ Worker per lane. BullMQ renews the lock of a session while it
 * runs, and gives a session whose agent died to another. Sessions are moved by the spool's script alone, so every run ends
 * with DelayedError, BullMQ's word for "moved already". A stalled session is never failed: its mail would be lost from sight.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { lanePrefix } from '@sluice/contracts'
import { type Log, logWorkerError } from '@sluice/runtime'
import { laneBackend } from '@sluice/spool'
import { DelayedError, type Job, Worker } from 'bullmq'
import type { Cluster, Redis } from 'ioredis'
import { z } from 'zod'
import type { RunSession, SessionRun } from './session-runner.ts'

export const LOCK_MS = 15_000
const STALLED_EVERY_MS = 5_000
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

/** Sessions of one lane that an agent runs at once. */
export const placesInLane = (sessions: number, lanes: number): number => Math.max(1, Math.ceil(sessions / lanes))

export type SessionWorkerOptions = {
  /** Role `worker`. */
  redis: Redis | Cluster
  lanes: number
  concurrency: number
  runSession: RunSession
  log: Log
}

export type SessionWorkers = {
  /** Takes no more; resolves when what runs has ended. BullMQ waits for Redis before it lets go; with no session running we do not. */
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
    none: (): Promise<void> => (count === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  }
}

/**
 * Resolves when Redis has been away for longer than a lock lasts. What is in hand then is another run's to take up once Redis is back:
 * the fence would let nothing be settled from here.
 */
const untilLocksLapsed = async (redis: Redis | Cluster): Promise<void> => {
  let readyAt = Date.now()
  while (Date.now() - readyAt < LOCK_MS + LET_GO_MS) {
    if (redis.status === 'ready') readyAt = Date.now()
    await sleep(LOOK_EVERY_MS, undefined, { ref: false })
  }
}

export const startSessionWorkers = async (options: SessionWorkerOptions): Promise<SessionWorkers> => {
  const { redis, lanes, concurrency, runSession, log } = options
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
      laneBackend,
    )
    worker.on('error', (error) => logWorkerError(log, 'sessions', error))
    return worker
  })
  await Promise.all(workers.map((worker) => worker.waitUntilReady()))
  return {
    close: async () => {
      const closed = Promise.all(workers.map((worker) => worker.close()))
      const letGo = inHand.none().then(() => sleep(LET_GO_MS, undefined, { ref: false }))
      await Promise.race([closed, letGo, untilLocksLapsed(redis)])
    },
  }
}
