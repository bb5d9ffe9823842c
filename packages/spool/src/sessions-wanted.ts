/**
 * How many conversations are wanted now: what delivery-agents are scaled by. A session is a permission, given by the limits of its
 * destination, its site and the rates, so this is never the backlog: a million messages behind a site that takes one a second want
 * one or two sessions. Over all lanes, from Redis alone: whoever asks hears the same. No task is looked at.
 *
 * A session that slept until its rate's next moment wakes without a permit, often hundreds at a time after agents were away, and
 * most of them only to be told their next moment: they count as one.
 */
import { lanePrefix } from '@sluice/contracts'
import type { Cluster, Redis } from 'ioredis'
import { type Replies, textAt, valueAt } from './queue-states.ts'

export type SessionsWanted = {
  /** Open: an agent holds the conversation. */
  open: number
  /** Due and permitted, but no agent has a place for them yet. */
  waiting: number
}

/** Waiting sessions of a lane that are looked at, those that are taken next; the others are taken to be like them. */
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

/** How many of these sessions hold a permit. */
const countPermitted = async (redis: Redis | Cluster, prefix: string, ids: string[]): Promise<number> => {
  const jobs = redis.pipeline()
  for (const id of ids) jobs.hget(`${prefix}:delivery:${id}`, 'data')
  const data: Replies = await jobs.exec()
  const byDestination = Map.groupBy(ids, (_, i) => destinationIn(textAt(data, i)))
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

const ofLane = async (redis: Redis | Cluster, lane: number, now: number): Promise<SessionsWanted> => {
  const prefix = lanePrefix(lane)
  const delivery = `${prefix}:delivery`
  const asked = redis.pipeline().llen(`${delivery}:active`).llen(`${delivery}:wait`)
  asked.zcount(`${delivery}:delayed`, '-inf', scoreBehind(now))
  const replies: Replies = await asked.lrange(`${delivery}:wait`, -MOST_LOOKED_AT, -1).exec()
  const [open = 0, queued = 0, woken = 0] = [0, 1, 2].map((i) => Number(valueAt(replies, i)))
  const ids = valueAt(replies, 3) as string[]
  let permitted = 0
  for (let i = 0; i < ids.length; i += AT_ONCE) permitted += await countPermitted(redis, prefix, ids.slice(i, i + AT_ONCE))
  const others = ids.length - permitted + woken
  const waiting = ids.length === 0 ? 0 : Math.round((queued * permitted) / ids.length)
  return { open, waiting: waiting + Math.min(others, 1) }
}

/** @param now ms since the epoch, by which agents wake sessions: the real clock */
export const createSessionsWanted =
  ({ redis, lanes, now }: { redis: Redis | Cluster; lanes: number; now: () => number }) =>
  /** @throws when Redis does not answer */
  async (): Promise<SessionsWanted> => {
    const all = await Promise.all(Array.from({ length: lanes }, (_, lane) => ofLane(redis, lane, now())))
    return all.reduce((sum, { open, waiting }) => ({ open: sum.open + open, waiting: sum.waiting + waiting }))
  }
