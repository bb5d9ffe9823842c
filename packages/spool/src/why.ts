/** Why mail waits: the facts, read by the functions that the scripts decide with. Who asks puts them into words. */
import { laneOf, lanePrefix } from '@sluice/contracts'
import type { Cluster, Redis } from 'ioredis'
import { z } from 'zod'
import { createRunner } from './script.ts'

const untilSchema = z.object({ till: z.number(), reason: z.string() })

const standingSchema = z.object({
  waiting: z.number(),
  active: z.number(),
  delayed: z.number(),
  parked: z.number(),
  sessions: z.number(),
  held: z.boolean(),
  /** Who holds it, and why (a mark, JSON). */
  hold: z.string().optional(),
  /** Sessions, of whatever destination, that wait for an agent; and since when the first does. */
  queued: z.number(),
  queuedSince: z.number().optional(),
  /** The first attempt that is planned. */
  next: z.number().optional(),
  /** What the spooler permits; absent: nothing, or not yet. `limit`: connections of the destination. */
  grant: z
    .object({ site: z.string(), limit: z.number(), siteLimit: z.number(), validUntil: z.number(), class: z.string() })
    .optional(),
  /** `limit`: connections of the site, a curb counted in; `place`: among the `wanting` destinations that wait for one. */
  site: z
    .object({
      limit: z.number(),
      permits: z.number(),
      probing: z.boolean(),
      failures: z.number(),
      place: z.number().optional(),
      wanting: z.number(),
    })
    .optional(),
  /** Left alone for its failures. */
  backoff: untilSchema.optional(),
  /** By a reply rule, or `suspended` by the postmaster. */
  paused: untilSchema.extend({ suspended: z.boolean() }).optional(),
  /** Gentler than the policy until `till`, and then less so step by step. */
  curb: untilSchema.extend({ connections: z.number().optional(), intervalMs: z.number().optional() }).optional(),
  /** The next free moment by the rates of destination, site and class; and by the cap on the gateway. */
  rateAt: z.number().optional(),
  gatewayAt: z.number().optional(),
  task: z
    .object({
      state: z.enum(['due', 'in-hand', 'later', 'parked']),
      problem: z.string().optional(),
      verb: z.string().optional(),
      hold: z.string().optional(),
      /** Of `later`. */
      at: z.number().optional(),
      /** Of `in-hand`. */
      session: z.string().optional(),
      since: z.number().optional(),
      /** Of `due`: from 1; absent beyond the first 20,000. */
      place: z.number().optional(),
    })
    .optional(),
})
export type Standing = z.infer<typeof standingSchema>
export type AskWhy = (destination: string, id?: string) => Promise<Standing>

/** Whether a rate, of the destination, its site, its class or the gateway, says when its next message may go. */
export const isMetered = ({ rateAt, gatewayAt }: Standing): boolean => rateAt !== undefined || gatewayAt !== undefined

export const createWhy = (options: { redis: Redis | Cluster; lanes: number; now: () => number }): AskWhy => {
  const run = createRunner(options.redis)
  return async (destination, id = '') => {
    const prefix = lanePrefix(laneOf(destination, options.lanes))
    const reply = await run('why', `${prefix}:due`, [prefix, destination, options.now(), id])
    return standingSchema.parse(JSON.parse(String(reply)))
  }
}
