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
  /** ms since the epoch; without renewal nothing is permitted after it. */
  until: number
}

export type Repairs = { tasks: number; sessions: number; permits: number; due: number; parked: number }

export type Scheduling = {
  /** @returns how many destinations were looked at, and those that need a grant */
  wake: (lane: number, most: number) => Promise<{ looked: number; ungranted: string[] }>
  grant: (lane: number, destination: string, grant: Grant) => Promise<void>
  /** Caps the whole gateway: µs between two messages, 0 without a cap. */
  cap: (lane: number, intervalUs: number) => Promise<void>
  forget: (lane: number, destination: string) => Promise<boolean>
  repair: (lane: number, destination: string) => Promise<Repairs>
  destinations: (lane: number) => AsyncIterable<string[]>
}

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
      const shaping = [g.siteIntervalUs, g.class, g.share, g.exempt ? '1' : '']
      await run('grant', due(lane), [lanePrefix(lane), now(), destination, g.site, ...limits, ...shaping])
    },
    cap: async (lane, intervalUs) => {
      await redis.hset(`${lanePrefix(lane)}:gateway`, 'intervalUs', intervalUs)
    },
    forget: async (lane, destination) => Number(await run('forget', due(lane), [lanePrefix(lane), now(), destination])) === 1,
    repair: async (lane, destination) => {
      const reply = await run('repair', due(lane), [lanePrefix(lane), now(), destination])
      const [tasks = 0, sessions = 0, permits = 0, dues = 0, parked = 0] = Array.isArray(reply) ? reply.map(Number) : []
      return { tasks, sessions, permits, due: dues, parked }
    },
    async *destinations(lane) {
      for await (const names of redis.sscanStream(`${lanePrefix(lane)}:destinations`, { count: 200 })) {
        yield (names as unknown[]).map(String)
      }
    },
  }
}
