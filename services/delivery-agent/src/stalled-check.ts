/**
 * BullMQ's look for sessions whose agent died, held back after every break of a connection. When Redis was away for longer than a lock
 * lasts, all locks have lapsed, and agents that lived through it come back one after the other: whoever is first must leave the others
 * the time to settle what they delivered, or it would be delivered again.
 */
import { laneBackend } from '@sluice/spool'
import type { Cluster, Redis } from 'ioredis'

const connectionsOf = (redis: Redis | Cluster): Redis[] => ('nodes' in redis ? redis.nodes('master') : [redis])

/**
 * Tells whether the connections are the same, and up, as they were when it was last asked; so it is for the first time, too. What it
 * compares are sockets: each reconnect makes a new one.
 */
export const watchSteadiness = (redis: Redis | Cluster): (() => boolean) => {
  let before: unknown[] | null = null
  return () => {
    const connections = connectionsOf(redis)
    const now = connections.map(({ stream }) => stream)
    const isUp = connections.every(({ status }) => status === 'ready')
    const isSteady = isUp && (before === null || now.every((stream) => before?.includes(stream)))
    before = isUp ? now : []
    return isSteady
  }
}

/** A lane's backend whose stalled check, called every so often, does nothing until a connection has lasted from one call to the next. */
export const patientBackend =
  (redis: Redis | Cluster): typeof laneBackend =>
  (name, options, blocking) => {
    const backend = laneBackend(name, options, blocking)
    const isSteady = watchSteadiness(redis)
    const check = backend.moveStalledJobsToWait.bind(backend)
    backend.moveStalledJobsToWait = async () => (isSteady() ? check() : [])
    return backend
  }
