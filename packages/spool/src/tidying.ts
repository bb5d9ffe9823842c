/** What is left behind when something died at the wrong moment, found from the spool's side. */
import { type ContentRef, laneOf, lanePrefix } from '@sluice/contracts'
import { Job, Queue } from 'bullmq'
import type { Cluster, Redis } from 'ioredis'
import { laneBackend } from './queue-backend.ts'

export type Tidying = {
  /**
   * Whether a task or an intake job still needs this content. Destinations that are done with it are struck off; when none is left,
   * all are asked, and who needs it is entered anew: the record of who does may be lost, the mail must not be.
   */
  isNeeded: (id: string, ref: ContentRef) => Promise<boolean>
  /** Puts failed intake jobs back to wait, those that cannot be decoded apart. @returns how many */
  retryIntake: (lane: number) => Promise<number>
  /** The marks that kept an intake from admitting twice go soon after its end: a run of it that lost its lock may still be at it. */
  forgetOnce: (id: string, destinations: string[]) => Promise<void>
}

/** Longer than any write waits for its reply. */
const ONCE_KEPT_MS = 60_000
const NOT_UNDERSTOOD = /not understood|no JSON/

/** Destinations, or tasks, asked at once. */
const PAGE = 500

const pages = function* <T>(all: readonly T[]): Iterable<T[]> {
  for (let at = 0; at < all.length; at += PAGE) yield all.slice(at, at + PAGE)
}

/** Every destination that has a task of this message, whatever any index says. */
const destinationsWith = async (redis: Redis | Cluster, lanes: number, id: string): Promise<string[]> => {
  const found: string[] = []
  for (let lane = 0; lane < lanes; lane++) {
    const prefix = lanePrefix(lane)
    for (const names of pages(await redis.smembers(`${prefix}:destinations`))) {
      const pipeline = redis.pipeline()
      for (const name of names) pipeline.exists(`${prefix}:${name}:${id}`)
      for (const [at, [error, exists]] of ((await pipeline.exec()) ?? []).entries()) {
        if (error !== null) throw error
        if (exists === 1) found.push(names[at] ?? '')
      }
    }
  }
  return found
}

export const createTidying = ({ redis, lanes }: { redis: Redis | Cluster; lanes: number }): Tidying => ({
  isNeeded: async (id, ref) => {
    if (ref.store === 'inline') return true
    const home = lanePrefix(ref.lane)
    const destinations = await redis.smembers(`${home}:needs:${id}`)
    if ((await redis.exists(`${home}:intake:${id}`)) === 1) return true
    let needed = false
    for (const destination of destinations) {
      if ((await redis.exists(`${lanePrefix(laneOf(destination, lanes))}:${destination}:${id}`)) === 1) needed = true
      else await redis.srem(`${home}:needs:${id}`, destination)
    }
    if (needed) return true
    const asked = await destinationsWith(redis, lanes, id)
    if (asked.length > 0) await redis.sadd(`${home}:needs:${id}`, ...asked)
    return asked.length > 0
  },
  retryIntake: async (lane) => {
    const queue = new Queue('intake', { connection: redis, prefix: lanePrefix(lane), skipMetasUpdate: true }, laneBackend)
    try {
      let count = 0
      for (const id of await redis.zrange(queue.keys.failed ?? '', '0', '999')) {
        const reason = await redis.hget(queue.toKey(id), 'failedReason')
        if (NOT_UNDERSTOOD.test(reason ?? '')) continue
        await (await Job.fromId(queue, id))?.retry('failed')
        count++
      }
      return count
    } finally {
      await queue.close()
    }
  },
  // One pipeline a lane: in a cluster, lanes lie on different servers.
  forgetOnce: async (id, destinations) => {
    const byLane = Map.groupBy(destinations, (destination) => laneOf(destination, lanes))
    for (const [lane, names] of byLane) {
      const pipeline = redis.pipeline()
      for (const name of names) pipeline.pexpire(`${lanePrefix(lane)}:once:${name}:${id}`, ONCE_KEPT_MS)
      await pipeline.exec()
    }
  },
})
