/** A spool that is broken on purpose: what may be done to it, and what a spooler then says that it repaired. */
import { laneBackend } from '@sluice/spool'
import { Queue } from 'bullmq'
import { expect } from 'vitest'
import type { MailPath } from './path.ts'

export const LANE = 'sluice{00}'
export const NO_SPOOLER = { spoolers: 0 }

/** What a round of the spooler says that it repaired, by kind. */
export const repaired = (path: MailPath): Record<string, number> => {
  const sum: Record<string, number> = {}
  for (const { fields } of path.events('warn: repaired'))
    for (const [kind, count] of Object.entries(fields))
      if (typeof count === 'number' && kind !== 'lane' && count > 0) sum[kind] = (sum[kind] ?? 0) + count
  return sum
}

export const delivered = async (path: MailPath, ...ids: string[]): Promise<void> => {
  for (const id of ids) await path.untilEvent('delivery', id)
  await path.untilEmpty()
  for (const id of ids) expect([...path.got(path.far, id), ...path.got(path.two, id)]).toHaveLength(1)
}

/** As a dashboard would. */
export const withQueue = async (path: MailPath, name: string, use: (queue: Queue) => Promise<unknown>): Promise<void> => {
  const queue = new Queue(name, { connection: path.redis, prefix: LANE, skipMetasUpdate: true }, laneBackend)
  try {
    await use(queue)
  } finally {
    await queue.close()
  }
}
