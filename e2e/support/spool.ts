/** A look into the spool of a running gateway, without a process for each look. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createTrace, createVerbs, type DestinationState, type Trace } from '@sluice/spool'
import { Redis } from 'ioredis'
import { eventually } from './gateway.ts'

export type Spool = {
  redis: Redis
  queue: () => Promise<DestinationState[]>
  trace: (id: string) => Promise<Trace>
  /** Resolves when no mail is left: every outcome recorded, every notice delivered. */
  idle: (timeoutMs?: number) => Promise<void>
  stop: () => void
}

/** @param folder the data folder of the gateway */
export const openSpool = async (folder: string): Promise<Spool> => {
  const text = async (name: string): Promise<string> => (await readFile(join(folder, name), 'utf8')).trim()
  const redis = new Redis({ host: '127.0.0.1', port: Number(await text('redis-port')), password: await text('redis-password') })
  redis.on('error', () => {}) // it connects again by itself
  const options = { redis, lanes: 1, now: Date.now }
  const verbs = createVerbs(options)
  const trace = createTrace(options)
  const isEmpty = async (): Promise<boolean> => (await verbs.intake()).waiting === 0 && (await verbs.queue()).length === 0
  return {
    redis,
    queue: verbs.queue,
    trace: async (id) => {
      const found = await trace(id)
      if (found === null) throw new Error(`nothing is known of ${id}`)
      return found
    },
    // Twice: a notice comes into one queue before its cause leaves another, and the queues are read one after the other.
    idle: async (timeoutMs = 30_000) => {
      await eventually('an empty spool', async () => (await isEmpty()) && (await isEmpty()), timeoutMs)
    },
    stop: () => redis.disconnect(),
  }
}
