/** What is left behind when something died at the wrong moment, found from the spool's side. */
import { type ContentRef, laneOf, lanePrefix } from '@sluice/contracts'
import { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { laneBackend } from './queue-backend.ts'

export type Tidying = {
  /** Whether a task or an intake job still needs this content. Destinations that are done with it are struck off. */
  isNeeded: (id: string, ref: ContentRef) => Promise<boolean>
  /** Puts failed intake jobs back to wait, those that cannot be decoded apart. @returns how many */
  retryIntake: (lane: number) => Promise<number>
  /** Removes the marks that kept a finished intake from admitting twice. */
  forgetOnce: (id: string, destinations: string[]) => Promise<void>
}

const NOT_UNDERSTOOD = /not understood|no JSON/

export const createTidying = ({ redis, lanes }: { redis: Redis; lanes: number }): Tidying => ({
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
    return needed
  },
  retryIntake: async (lane) => {
    const queue = new Queue('intake', { connection: redis, prefix: lanePrefix(lane), skipMetasUpdate: true }, laneBackend)
    try {
      const failed = await queue.getFailed(0, 999)
      const again = failed.filter((job) => !NOT_UNDERSTOOD.test(job.failedReason ?? ''))
      for (const job of again) await job.retry('failed')
      return again.length
    } finally {
      await queue.close()
    }
  },
  forgetOnce: async (id, destinations) => {
    for (const destination of destinations)
      await redis.unlink(`${lanePrefix(laneOf(destination, lanes))}:once:${destination}:${id}`)
  },
})
