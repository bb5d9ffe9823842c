/** The spooler's side of the spool: wake what falls due, publish what is permitted, keep every destination whole. */
import { lanePrefix } from '@sluice/contracts'
import type { Cluster, Redis } from 'ioredis'
import { createRunner } from './script.ts'

/** What the spooler permits a destination. */
export type Grant = {
  /** The hosts behind it, by a short stable name. */
  site: string
  /** Sessions of this destination at once. */
  sessions: number
  /** Sessions of the whole site at once. */
  siteSessions: number
  /** µs between two messages; 0 without a limit. */
  intervalUs: number
  /** ms after which a task that could not even be tried expires. */
  maxAgeMs: number
  /** Waiting tasks that justify one more session. */
  perSession: number
  /** µs between two messages to the whole site; 0 without a limit. */
  siteIntervalUs: number
  /** '' for the default one. */
  class: string
  /** The weight of its class against others that wait for the same site. */
  share: number
  /** Not counted against the cap on the whole gateway. */
  exempt: boolean
  /** The longest that its site is left alone after failures in a row, ms; left out: half an hour. */
  longestPauseMs?: number
  /** ms since the epoch; without renewal nothing is permitted after it. */
  until: number
}

export type Repairs = { tasks: number; sessions: number; permits: number; due: number; errands: number }

/** The sessions that lay in the lists of a lane's `delivery` queue at one moment. */
export type Present = { sessions: ReadonlySet<string>; newest: number }

/** One step of a survey; `cursor` 0: all keys were seen. */
export type Survey = { cursor: string; destinations: number; contents: number; removed: number }

export type Scheduling = {
  /** @returns how many destinations were looked at, and those that need a grant */
  wake: (lane: number, most: number) => Promise<{ looked: number; ungranted: string[] }>
  grant: (lane: number, destination: string, grant: Grant) => Promise<void>
  /** Caps the whole gateway: µs between two messages, 0 without a cap. */
  cap: (lane: number, intervalUs: number) => Promise<void>
  forget: (lane: number, destination: string) => Promise<boolean>
  present: (lane: number) => Promise<Present>
  /** @param present a session that is open by its destination's word, and was in no list then nor is in one now, is gone */
  repair: (lane: number, destination: string, present?: Present) => Promise<Repairs>
  /** @param untouchedMs what lies beside a task that is gone is removed once nobody has touched it for so long */
  survey: (lane: number, cursor: string, keys: number, untouchedMs: number) => Promise<Survey>
  destinations: (lane: number) => AsyncIterable<string[]>
}

const repairsOf = (reply: unknown): { repairs: Repairs; open: string[] } => {
  const [tasks = 0, sessions = 0, permits = 0, due = 0, errands = 0, ...open] = Array.isArray(reply) ? reply : []
  const repairs = {
    tasks: Number(tasks),
    sessions: Number(sessions),
    permits: Number(permits),
    due: Number(due),
    errands: Number(errands),
  }
  return { repairs, open: open.map(String) }
}

const sum = (a: Repairs, b: Repairs): Repairs => ({
  tasks: a.tasks + b.tasks,
  sessions: a.sessions + b.sessions,
  permits: a.permits + b.permits,
  due: a.due + b.due,
  errands: a.errands + b.errands,
})

export const createScheduling = ({ redis, now }: { redis: Redis | Cluster; now: () => number }): Scheduling => {
  const run = createRunner(redis)
  const due = (lane: number): string => `${lanePrefix(lane)}:due`
  return {
    wake: async (lane, most) => {
      const reply = await run('wake', due(lane), [lanePrefix(lane), now(), most])
      const [looked, ...ungranted] = Array.isArray(reply) ? reply : [0]
      return { looked: Number(looked), ungranted: ungranted.map(String) }
    },
    grant: async (lane, destination, g) => {
      const limits = [g.sessions, g.siteSessions, g.intervalUs, g.maxAgeMs, g.perSession, g.until]
      const shaping = [g.siteIntervalUs, g.class, g.share, g.exempt ? '1' : '', g.longestPauseMs ?? '']
      await run('grant', due(lane), [lanePrefix(lane), now(), destination, g.site, ...limits, ...shaping])
    },
    cap: async (lane, intervalUs) => {
      await redis.hset(`${lanePrefix(lane)}:gateway`, 'intervalUs', intervalUs)
    },
    forget: async (lane, destination) => Number(await run('forget', due(lane), [lanePrefix(lane), now(), destination])) === 1,
    present: async (lane) => {
      const queue = `${lanePrefix(lane)}:delivery`
      const lists = redis.multi().get(`${queue}:id`).lrange(`${queue}:wait`, 0, -1).lrange(`${queue}:active`, 0, -1)
      const replies = await lists.zrange(`${queue}:delayed`, '0', '-1').exec()
      const [newest, ...ids] = (replies ?? []).map(([error, value]) => {
        if (error !== null) throw error
        return value
      })
      return { newest: Number(newest ?? 0), sessions: new Set((ids as string[][]).flat()) }
    },
    repair: async (lane, destination, present) => {
      const found = repairsOf(await run('repair', due(lane), [lanePrefix(lane), now(), destination]))
      if (present === undefined) return found.repairs
      // Newer ones were opened since.
      const suspects = found.open.filter((id) => !present.sessions.has(id) && Number(id) <= present.newest)
      if (suspects.length === 0) return found.repairs
      const more = repairsOf(await run('repair', due(lane), [lanePrefix(lane), now(), destination, ...suspects])).repairs
      return sum(found.repairs, more)
    },
    survey: async (lane, cursor, keys, untouchedMs) => {
      const reply = await run('survey', due(lane), [lanePrefix(lane), now(), cursor, keys, Math.floor(untouchedMs / 1000)])
      const [next = '0', destinations = 0, contents = 0, removed = 0] = Array.isArray(reply) ? reply : []
      return { cursor: String(next), destinations: Number(destinations), contents: Number(contents), removed: Number(removed) }
    },
    async *destinations(lane) {
      for await (const names of redis.sscanStream(`${lanePrefix(lane)}:destinations`, { count: 200 })) {
        yield (names as unknown[]).map(String)
      }
    },
  }
}
