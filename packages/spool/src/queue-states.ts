/** What the destinations of a lane hold, and what they wait for: counts, never a walk over tasks; some hundreds in one exchange. */

import type { Mark } from '@sluice/contracts'
import type { Cluster, Redis } from 'ioredis'
import { readMark } from './payload.ts'
import { SITE_FIELDS, type SiteState, siteStateOf } from './site-state.ts'

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
  /** Open ones, but for those that linger. */
  sessions: number
  held: boolean
  /** Who said so, and why; null for holds of a dashboard. */
  heldBy: Mark | null
  site: string | null
  /** ms since the epoch of the next attempt that is planned */
  nextAttemptAt: number | null
} & SiteState

export type Replies = [Error | null, unknown][] | null
/** The reply at an index of a pipeline. @throws its error */
export const valueAt = (replies: Replies, index: number): unknown => {
  const [error, value] = replies?.[index] ?? [null, null]
  if (error !== null) throw error
  return value
}
export const textAt = (replies: Replies, index: number): string | null => {
  const value = valueAt(replies, index)
  return typeof value === 'string' ? value : null
}

const COMMANDS_EACH = 10

/** Site, siteLimit, siteIntervalUs. */
const grantAt = (replies: Replies, at: number): (string | null)[] => valueAt(replies, at + 6) as (string | null)[]

const stateAt = (replies: Replies, at: number, destination: string): DestinationState => {
  const first = valueAt(replies, at + 7)
  const score = Array.isArray(first) ? first[1] : undefined
  return {
    destination,
    waiting: Number(valueAt(replies, at)),
    active: Number(valueAt(replies, at + 1)),
    delayed: Number(valueAt(replies, at + 2)),
    parked: Number(valueAt(replies, at + 3)),
    sessions: Math.max(0, Number(valueAt(replies, at + 4)) - Number(valueAt(replies, at + 9))),
    held: Number(valueAt(replies, at + 5)) === 1,
    heldBy: readMark(textAt(replies, at + 8)),
    site: grantAt(replies, at)[0] ?? null,
    nextAttemptAt: score === undefined ? null : Math.floor(Number(score) / 0x1000),
    backoff: null,
    paused: null,
    curb: null,
  }
}

/** @param names at most some hundreds */
export const readStates = async (
  redis: Redis | Cluster,
  prefix: string,
  names: string[],
  now: number,
): Promise<DestinationState[]> => {
  const pipeline = redis.pipeline()
  for (const name of names) {
    const queue = `${prefix}:${name}`
    pipeline
      .llen(`${queue}:wait`)
      .llen(`${queue}:active`)
      .zcard(`${queue}:delayed`)
      .zcard(`${queue}:failed`)
      .scard(`${prefix}:sessions:${name}`)
      .hexists(`${queue}:meta`, 'paused')
      .hmget(`${prefix}:grant:${name}`, 'site', 'siteLimit', 'siteIntervalUs')
      .zrange(`${queue}:delayed`, '0', '0', 'WITHSCORES')
      .hget(`${prefix}:holds`, name)
      .llen(`${prefix}:lingering:${name}`)
  }
  const replies = await pipeline.exec()
  const states = names.map((name, i) => stateAt(replies, i * COMMANDS_EACH, name))
  const sites = [...new Set(states.flatMap(({ site }) => site ?? []))]
  const asked = redis.pipeline()
  for (const site of sites) asked.hmget(`${prefix}:site:${site}`, ...SITE_FIELDS)
  const told = await asked.exec()
  const bySite = new Map(sites.map((site, i) => [site, valueAt(told, i) as (string | null)[]]))
  return states.map((state, i) => {
    const [, ...limits] = grantAt(replies, i * COMMANDS_EACH)
    return { ...state, ...siteStateOf(bySite.get(state.site ?? '') ?? [], limits, now) }
  })
}
