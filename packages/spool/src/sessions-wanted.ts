/**
 * How many conversations are wanted now: what delivery-agents are scaled by. A session is a permission, given by the limits of its
 * destination, its site and the rates, so this is never the backlog: a million messages behind a site that takes one a second want
 * one or two sessions. Three counts a lane, over all lanes, from Redis alone: whoever asks hears the same, and no task is looked at.
 */
import { lanePrefix } from '@sluice/contracts'
import type { Cluster, Redis } from 'ioredis'
import { type Replies, valueAt } from './queue-states.ts'

export type SessionsWanted = {
  /** Open: an agent holds the conversation. */
  open: number
  /** Due and permitted, but no agent has a place for them: opened ones that wait, and those whose rate's moment has come meanwhile. */
  waiting: number
}

/** BullMQ's scores of delayed jobs: ms since the epoch, and 12 bits of a counter. */
const scoreBehind = (now: number): number => (now + 1) * 0x1000 - 1

/** @param now ms since the epoch, by which agents wake sessions: the real clock */
export const createSessionsWanted =
  ({ redis, lanes, now }: { redis: Redis | Cluster; lanes: number; now: () => number }) =>
  /** @throws when Redis does not answer */
  async (): Promise<SessionsWanted> => {
    const ofLanes = await Promise.all(
      Array.from({ length: lanes }, async (_, lane): Promise<SessionsWanted> => {
        const delivery = `${lanePrefix(lane)}:delivery`
        const asked = redis.pipeline().llen(`${delivery}:active`).llen(`${delivery}:wait`)
        const replies: Replies = await asked.zcount(`${delivery}:delayed`, '-inf', scoreBehind(now())).exec()
        const [open = 0, waiting = 0, woken = 0] = [0, 1, 2].map((i) => Number(valueAt(replies, i)))
        return { open, waiting: waiting + woken }
      }),
    )
    const sum = (of: (lane: SessionsWanted) => number): number => ofLanes.reduce((all, lane) => all + of(lane), 0)
    return { open: sum(({ open }) => open), waiting: sum(({ waiting }) => waiting) }
  }
