/**
 * BullMQ's look for sessions whose agent died, held back after an outage. When Redis was away for about as long as a lock lasts, locks
 * have lapsed, and agents that lived through it come back one after the other: whoever is first must leave the others the time to settle
 * what they delivered, or it would be delivered again. Held back once only, so that no flapping connection keeps the dead from being found.
 *
 * A Redis Cluster counts as up while one of its shards is away: there the look is taken as BullMQ takes it.
 */
import { laneBackend } from '@sluice/spool'
import type { Cluster, Redis } from 'ioredis'

/**
 * Asked before each look, which is taken more often than an outage is long.
 * @returns whether to take it: Redis is there, and this is not the first time after a long outage
 */
export const createPatience = (redis: Redis | Cluster, longOutageMs: number): (() => boolean) => {
  let upAt = performance.now()
  return () => {
    if (redis.status !== 'ready') return false
    const wasUpAt = upAt
    upAt = performance.now()
    return upAt - wasUpAt < longOutageMs
  }
}

/** A lane's backend whose stalled check is patient. What it does not ask at once is not asked later either. */
export const patientBackend =
  (redis: Redis | Cluster, longOutageMs: number): typeof laneBackend =>
  (name, options, blocking) => {
    const backend = laneBackend(name, options, blocking)
    const mayLook = createPatience(redis, longOutageMs)
    const look = backend.moveStalledJobsToWait.bind(backend)
    backend.moveStalledJobsToWait = async () => (mayLook() ? look() : [])
    return backend
  }
