/**
 * How many conversations are wanted now: what delivery-agents are scaled by. A session is a permission, given by the limits of its
 * destination, its site and the rates, so this is never the backlog: a million messages behind a site that takes one a second want
 * one or two sessions. Lane by lane, from Redis alone: whoever asks hears the same. No task is looked at.
 *
 * A session that slept until its rate's next moment wakes without a permit, often hundreds at a time after agents were away, and
 * most of them only to be told their next moment: they count as one. A session that lingers wants nothing: it holds no permit, and
 * gives its place to whoever needs it.
 */
import { lanePrefix } from '@sluice/contracts'
import type { Cluster, Redis } from 'ioredis'
import { type Replies, textAt, valueAt } from './queue-states.ts'

export type SessionsWanted = {
  /** Open: an agent holds the conversation. Without those that linger. */
  open: number
  /** Due and permitted, but no agent has a place for them yet. */
  waiting: number
}

/** Sessions of a lane that are looked at, of the open ones and of those that are taken next; the others are taken to be like them. */
const MOST_LOOKED_AT = 2000
/** Read in one exchange. */
const AT_ONCE = 500

/** BullMQ's scores of delayed jobs: ms since the epoch, and 12 bits of a counter. */
const scoreBehind = (now: number): number => (now + 1) * 0x1000 - 1

/** '' for a session whose payload is not understood, or that was taken meanwhile. */
const destinationIn = (data: string | null): string => {
  try {
    const found: unknown = JSON.parse(data ?? '')
    return typeof found === 'object' && found !== null && 'destination' in found ? String(found.destination) : ''
  } catch {
    return ''
  }
}

const byDestinationOf = async (redis: Redis | Cluster, prefix: string, ids: string[]): Promise<Map<string, string[]>> => {
  const jobs = redis.pipeline()
  for (const id of ids) jobs.hget(`${prefix}:delivery:${id}`, 'data')
  const data: Replies = await jobs.exec()
  return Map.groupBy(ids, (_, i) => destinationIn(textAt(data, i)))
}

/** Of "AGENT SESSION". */
const sessionIn = (entry: string): string => entry.slice(entry.lastIndexOf(' ') + 1)

/** How many of these sessions hold a permit. */
const countPermitted = async (redis: Redis | Cluster, prefix: string, ids: string[]): Promise<number> => {
  const byDestination = await byDestinationOf(redis, prefix, ids)
  const grants = redis.pipeline()
  for (const destination of byDestination.keys()) grants.hget(`${prefix}:grant:${destination}`, 'site')
  const sites: Replies = await grants.exec()
  const permits = redis.pipeline()
  for (const [i, held] of [...byDestination.values()].entries())
    permits.zmscore(`${prefix}:permits:${textAt(sites, i) ?? ''}`, held)
  const scores: Replies = await permits.exec()
  const found = [...byDestination.keys()].flatMap((_, i) => valueAt(scores, i) as (string | null)[])
  return found.filter((score) => score !== null).length
}

/** How many of these sessions do not linger. An agent that died leaves its word behind, so sessions are compared, not counted. */
const countBusy = async (redis: Redis | Cluster, prefix: string, ids: string[]): Promise<number> => {
  const byDestination = await byDestinationOf(redis, prefix, ids)
  const lists = redis.pipeline()
  for (const destination of byDestination.keys()) lists.lrange(`${prefix}:lingering:${destination}`, 0, -1)
  const replies: Replies = await lists.exec()
  const lingering = new Set([...byDestination.keys()].flatMap((_, i) => (valueAt(replies, i) as string[]).map(sessionIn)))
  return ids.filter((id) => !lingering.has(id)).length
}

/** Of `all` sessions, when of those that were looked at so many count. */
const partOf = (all: number, count: number, lookedAt: number): number =>
  lookedAt === 0 ? 0 : Math.round((all * count) / lookedAt)

type Count = (redis: Redis | Cluster, prefix: string, ids: string[]) => Promise<number>

/** How many of these sessions count. */
const countOf = async (count: Count, redis: Redis | Cluster, prefix: string, ids: string[]): Promise<number> => {
  let sum = 0
  for (let i = 0; i < ids.length; i += AT_ONCE) sum += await count(redis, prefix, ids.slice(i, i + AT_ONCE))
  return sum
}

const ofLane = async (redis: Redis | Cluster, lane: number, now: number): Promise<SessionsWanted> => {
  const prefix = lanePrefix(lane)
  const delivery = `${prefix}:delivery`
  const asked = redis.pipeline().llen(`${delivery}:active`).llen(`${delivery}:wait`)
  asked.zcount(`${delivery}:delayed`, '-inf', scoreBehind(now))
  for (const list of ['wait', 'active']) asked.lrange(`${delivery}:${list}`, -MOST_LOOKED_AT, -1)
  const replies: Replies = await asked.exec()
  const [taken = 0, queued = 0, woken = 0] = [0, 1, 2].map((i) => Number(valueAt(replies, i)))
  const [next = [], running = []] = [3, 4].map((i) => valueAt(replies, i) as string[])
  const permitted = await countOf(countPermitted, redis, prefix, next)
  const busy = await countOf(countBusy, redis, prefix, running)
  const others = next.length - permitted + woken
  const waiting = partOf(queued, permitted, next.length)
  return { open: partOf(taken, busy, running.length), waiting: waiting + Math.min(others, 1) }
}

/** @param now ms since the epoch, by which agents wake sessions: the real clock */
export const createSessionsWanted =
  ({ redis, lanes, now }: { redis: Redis | Cluster; lanes: number; now: () => number }) =>
  /** Of each lane, as an agent's places are divided among them. @throws when Redis does not answer */
  (): Promise<SessionsWanted[]> =>
    Promise.all(Array.from({ length: lanes }, (_, lane) => ofLane(redis, lane, now())))
