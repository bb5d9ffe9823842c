/** The connections of a service that works on the spool: one for promises, one for turns and questions, one for BullMQ's Workers. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster, Redis } from 'ioredis'
import type { Log } from './log.ts'
import type { Readiness } from './readiness.ts'
import { connectRedis, type RedisConfig } from './redis.ts'

export type ServiceRedis = {
  write: Redis | Cluster
  command: Redis | Cluster
  blocking: Redis | Cluster
  /** Opens one more, for what is published; use it for nothing else. */
  listen: () => Redis | Cluster
  /** Whether the spool can be worked on now; `stopping` is the service's to say. */
  readiness: (stopping: boolean) => Readiness
  /** Resolves when Redis is away, seen once a second from now: who stops with nothing in hand need not wait for it to come back. */
  untilAway: () => Promise<void>
  disconnect: () => void
}

const LOOK_EVERY_MS = 1000

/** @param service stands in the connections' names */
export const connectService = (config: RedisConfig, service: string, log: Log): ServiceRedis => {
  const write = connectRedis(config, { role: 'write', name: `${service}-write`, log })
  const command = connectRedis(config, { role: 'command', name: service, log })
  const blocking = connectRedis(config, { role: 'worker', name: `${service}-worker`, log })
  const all = [write, command, blocking]
  return {
    write,
    command,
    blocking,
    listen: () => {
      const listening = connectRedis(config, { role: 'worker', name: `${service}-listen`, log })
      all.push(listening)
      return listening
    },
    readiness: (stopping) => {
      if (stopping) return { kind: 'away', reason: 'stopping' }
      return command.status === 'ready' ? { kind: 'ok' } : { kind: 'away', reason: `redis is ${command.status}` }
    },
    untilAway: async () => {
      do await sleep(LOOK_EVERY_MS, undefined, { ref: false })
      while (command.status === 'ready')
    },
    disconnect: () => {
      for (const redis of all) redis.disconnect()
    },
  }
}
