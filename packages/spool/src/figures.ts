/**
 * What the spool holds, in numbers, for figures: counts of lists and the heads of queues, some hundred destinations in one
 * exchange, never a walk over tasks. A million tasks of one destination cost as much as one.
 */
import { lanePrefix } from '@sluice/contracts'
import type { Cluster, Redis } from 'ioredis'
import { type DestinationState, type Replies, readStates, textAt, valueAt } from './queue-states.ts'

/** The task that is taken next. */
export type FirstDue = {
  id: string
  /** ms since the epoch */
  admittedAt: number
  /** It was taken before: it has been due for less long than it has been there. */
  retried: boolean
}

export type DestinationFigures = Pick<
  DestinationState,
  'destination' | 'waiting' | 'active' | 'delayed' | 'parked' | 'held' | 'site'
> & { firstDue: FirstDue | null }

/** A site within one lane. */
export type SiteFigures = {
  site: string
  permits: number
  /** Sessions of the site at once, as policy has it. */
  permitted: number
  state: 'served' | 'backed-off' | 'suspended' | 'paused' | 'curbed'
}

export type LaneFigures = {
  /** In hand of an agent, waiting for one, and asleep until their rate's next moment. */
  sessions: { running: number; waiting: number; sleeping: number }
  intake: { waiting: number; parked: number }
  /** Contents that lie apart from their tasks, in Redis. */
  contents: number
}

export type Figures = {
  lane: (lane: number) => Promise<LaneFigures>
  /** Names of all destinations of a lane. */
  destinations: (lane: number) => Promise<string[]>
  /** @param names at most some hundreds. Sites of theirs that stand in `seen` are not read again. */
  read: (
    lane: number,
    names: string[],
    seen: Set<string>,
  ) => Promise<{ destinations: DestinationFigures[]; sites: SiteFigures[] }>
}

/** As in limits.lua: one probing session at a time until one gets through. */
const FAILURES_BEFORE_BACKOFF = 3

const firstsOf = async (redis: Redis | Cluster, prefix: string, states: DestinationState[]): Promise<Map<string, FirstDue>> => {
  const waiting = states.filter((state) => state.waiting > 0)
  if (waiting.length === 0) return new Map()
  const ids = redis.pipeline()
  for (const { destination } of waiting) ids.lindex(`${prefix}:${destination}:wait`, -1)
  const found: Replies = await ids.exec()
  const named = waiting.map(({ destination }, i) => ({ destination, id: textAt(found, i) ?? '' }))
  const facts = redis.pipeline()
  for (const { destination, id } of named) facts.hmget(`${prefix}:${destination}:${id}`, 'timestamp', 'ats')
  const told: Replies = await facts.exec()
  return new Map(
    named.flatMap(({ destination, id }, i): [string, FirstDue][] => {
      const [timestamp, attempts] = valueAt(told, i) as (string | null)[]
      // Taken meanwhile.
      if (id === '' || timestamp == null) return []
      return [[destination, { id, admittedAt: Number(timestamp), retried: Number(attempts ?? 0) > 0 }]]
    }),
  )
}

const siteState = (state: DestinationState, failures: number): SiteFigures['state'] => {
  if (state.paused !== null) return state.paused.reason.startsWith('rule ') ? 'paused' : 'suspended'
  if (state.backoff !== null || failures >= FAILURES_BEFORE_BACKOFF) return 'backed-off'
  return state.curb === null ? 'served' : 'curbed'
}

const sitesOf = async (redis: Redis | Cluster, prefix: string, states: DestinationState[]): Promise<SiteFigures[]> => {
  if (states.length === 0) return []
  const pipeline = redis.pipeline()
  for (const { site, destination } of states) {
    pipeline
      .zcard(`${prefix}:permits:${site}`)
      .hget(`${prefix}:grant:${destination}`, 'siteLimit')
      .hget(`${prefix}:site:${site}`, 'failures')
  }
  const replies: Replies = await pipeline.exec()
  return states.map((state, i) => ({
    site: state.site ?? '',
    permits: Number(valueAt(replies, 3 * i)),
    permitted: Number(textAt(replies, 3 * i + 1) ?? 0),
    state: siteState(state, Number(textAt(replies, 3 * i + 2) ?? 0)),
  }))
}

/** One destination of each site that is new. */
const firstOfEach = (states: DestinationState[], seen: Set<string>): DestinationState[] =>
  states.filter(({ site }) => {
    if (site === null || seen.has(site)) return false
    seen.add(site)
    return true
  })

export const createFigures = ({ redis, now }: { redis: Redis | Cluster; now: () => number }): Figures => ({
  lane: async (lane) => {
    const prefix = lanePrefix(lane)
    const [delivery, intake] = [`${prefix}:delivery`, `${prefix}:intake`]
    const pipeline = redis.pipeline().llen(`${delivery}:active`).llen(`${delivery}:wait`).zcard(`${delivery}:delayed`)
    pipeline.llen(`${intake}:wait`).llen(`${intake}:active`).zcard(`${intake}:delayed`).zcard(`${intake}:failed`)
    const replies: Replies = await pipeline.zcard(`${prefix}:contents`).exec()
    const count = (i: number): number => Number(valueAt(replies, i))
    return {
      sessions: { running: count(0), waiting: count(1), sleeping: count(2) },
      intake: { waiting: count(3) + count(4) + count(5), parked: count(6) },
      contents: count(7),
    }
  },
  destinations: (lane) => redis.smembers(`${lanePrefix(lane)}:destinations`),
  read: async (lane, names, seen) => {
    const prefix = lanePrefix(lane)
    const states = await readStates(redis, prefix, names, now())
    const firsts = await firstsOf(redis, prefix, states)
    return {
      destinations: states.map(({ destination, waiting, active, delayed, parked, held, site }) => {
        return { destination, waiting, active, delayed, parked, held, site, firstDue: firsts.get(destination) ?? null }
      }),
      sites: await sitesOf(redis, prefix, firstOfEach(states, seen)),
    }
  },
})
