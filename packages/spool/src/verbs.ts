/** The postmaster's verbs on queues: what waits where, hold, release, retry. Reads are counts, never a walk over the tasks. */
import { laneOf, lanePrefix } from '@sluice/contracts'
import { Job, Queue } from 'bullmq'
import type { Cluster, Redis } from 'ioredis'
import { laneBackend } from './queue-backend.ts'

export type DestinationState = {
  destination: string
  /** Tasks that are due. */
  waiting: number
  /** Tasks in hand of a session. */
  active: number
  /** Tasks that wait for their next attempt. */
  delayed: number
  /** Tasks set aside. */
  parked: number
  sessions: number
  held: boolean
  site: string | null
  /** ms since the epoch of the next attempt that is planned */
  nextAttemptAt: number | null
  /** The site is left alone until then, and why. */
  backoff: { until: number; reason: string } | null
}

export type Verbs = {
  /** Every destination that holds something, and every held one. */
  queue: () => Promise<DestinationState[]>
  /** Messages with several destinations whose tasks are still to be made. */
  intake: () => Promise<{ waiting: number; parked: number }>
  hold: (destination: string) => Promise<void>
  release: (destination: string) => Promise<void>
  /** Makes what waits for its next attempt due now, parked tasks too. @returns how many */
  retry: (destination: string, id?: string) => Promise<number>
}

export type VerbOptions = { redis: Redis | Cluster; lanes: number; now: () => number }

type Replies = [Error | null, unknown][] | null
const valueAt = (replies: Replies, index: number): unknown => {
  const [error, value] = replies?.[index] ?? [null, null]
  if (error !== null) throw error
  return value
}

const stateOf = async (redis: Redis | Cluster, lane: number, destination: string, now: number): Promise<DestinationState> => {
  const prefix = lanePrefix(lane)
  const queue = `${prefix}:${destination}`
  const replies = await redis
    .pipeline()
    .llen(`${queue}:wait`)
    .llen(`${queue}:active`)
    .zcard(`${queue}:delayed`)
    .zcard(`${queue}:failed`)
    .scard(`${prefix}:sessions:${destination}`)
    .hexists(`${queue}:meta`, 'paused')
    .hget(`${prefix}:grant:${destination}`, 'site')
    .zrange(`${queue}:delayed`, '0', '0', 'WITHSCORES')
    .exec()
  const first = valueAt(replies, 7)
  const score = Array.isArray(first) ? first[1] : undefined
  const site = valueAt(replies, 6)
  const rest = typeof site === 'string' ? await redis.hmget(`${prefix}:site:${site}`, 'until', 'reason') : [null, null]
  const until = Number(rest[0] ?? 0)
  return {
    destination,
    waiting: Number(valueAt(replies, 0)),
    active: Number(valueAt(replies, 1)),
    delayed: Number(valueAt(replies, 2)),
    parked: Number(valueAt(replies, 3)),
    sessions: Number(valueAt(replies, 4)),
    held: Number(valueAt(replies, 5)) === 1,
    site: typeof site === 'string' ? site : null,
    nextAttemptAt: score === undefined ? null : Math.floor(Number(score) / 0x1000),
    backoff: until > now ? { until, reason: rest[1] ?? '' } : null,
  }
}

const isEmpty = (state: DestinationState): boolean =>
  state.waiting + state.active + state.delayed + state.parked + state.sessions === 0 && !state.held

export const createVerbs = ({ redis, lanes, now }: VerbOptions): Verbs => {
  const queueOf = (destination: string): Queue =>
    new Queue(
      destination,
      { connection: redis, prefix: lanePrefix(laneOf(destination, lanes)), skipMetasUpdate: true },
      laneBackend,
    )
  const withQueue = async <T>(destination: string, use: (queue: Queue) => Promise<T>): Promise<T> => {
    const queue = queueOf(destination)
    try {
      return await use(queue)
    } finally {
      await queue.close()
    }
  }
  const prefixOf = (destination: string): string => lanePrefix(laneOf(destination, lanes))
  const lookNow = (destination: string): Promise<unknown> => redis.zadd(`${prefixOf(destination)}:due`, now(), destination)

  const retryOne = (destination: string, id: string): Promise<number> =>
    withQueue(destination, async (queue) => {
      const job = await Job.fromId(queue, id).catch((error: unknown) => {
        if (error instanceof SyntaxError) return undefined // A payload that is no JSON stays parked.
        throw error
      })
      if (job === undefined) return 0
      const state = await job.getState()
      if (state === 'delayed') await job.promote()
      else if (state === 'failed') {
        await job.retry('failed')
        await redis.zrem(`${prefixOf(destination)}:parked`, `${destination} ${id}`)
      } else return 0
      return 1
    })

  return {
    queue: async () => {
      const all: DestinationState[] = []
      for (let lane = 0; lane < lanes; lane++) {
        const names = await redis.smembers(`${lanePrefix(lane)}:destinations`)
        for (let i = 0; i < names.length; i += 100) {
          all.push(...(await Promise.all(names.slice(i, i + 100).map((name) => stateOf(redis, lane, name, now())))))
        }
      }
      return all.filter((state) => !isEmpty(state)).sort((a, b) => b.waiting + b.delayed - (a.waiting + a.delayed))
    },
    intake: async () => {
      const sum = { waiting: 0, parked: 0 }
      for (let lane = 0; lane < lanes; lane++) {
        const queue = `${lanePrefix(lane)}:intake`
        const lists = [
          await redis.llen(`${queue}:wait`),
          await redis.llen(`${queue}:active`),
          await redis.zcard(`${queue}:delayed`),
        ]
        sum.waiting += lists.reduce((all, each) => all + each, 0)
        sum.parked += await redis.zcard(`${queue}:failed`)
      }
      return sum
    },
    hold: async (destination) => {
      await withQueue(destination, (queue) => queue.pause())
      await redis.zrem(`${prefixOf(destination)}:due`, destination)
      await redis.sadd(`${prefixOf(destination)}:destinations`, destination)
    },
    release: async (destination) => {
      await withQueue(destination, (queue) => queue.resume())
      await lookNow(destination)
    },
    retry: async (destination, id) => {
      const prefix = prefixOf(destination)
      const key = `${prefix}:${destination}`
      const ids =
        id !== undefined
          ? [id]
          : [...(await redis.zrange(`${key}:delayed`, '0', '-1')), ...(await redis.zrange(`${key}:failed`, '0', '-1'))]
      let count = 0
      for (const each of ids) count += await retryOne(destination, each)
      if (count > 0) {
        const site = await redis.hget(`${prefix}:grant:${destination}`, 'site')
        if (site !== null) await redis.hdel(`${prefix}:site:${site}`, 'failures', 'until', 'reason')
        await lookNow(destination)
      }
      return count
    },
  }
}
