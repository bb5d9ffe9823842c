/** A stored content is removed when the last destination that needs it is done with it. */
import { lanePrefix } from '@sluice/contracts'
import type { Cluster, Redis } from 'ioredis'
import { createRunner } from './script.ts'

/** @returns (lane, id, destination) → whether it was the last that needed the content; repeating it does no harm */
export const createContentRelease = ({ redis }: { redis: Redis | Cluster }) => {
  const run = createRunner(redis)
  return async (lane: number, id: string, destination: string): Promise<boolean> =>
    Number(await run('release-content', `${lanePrefix(lane)}:needs:${id}`, [lanePrefix(lane), destination])) === 1
}
