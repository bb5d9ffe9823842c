/**
 * Tending: a slow walk over all destinations, at start and then every minute, that repairs what went wrong before, forgets
 * what is empty, and now and then sweeps contents that no message needs. Also runs intake jobs again that failed: a failed job
 * would be mail lost from sight.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ContentStore } from '@sluice/content-store'
import type { Log } from '@sluice/runtime'
import type { Scheduling } from '@sluice/spool'

const EVERY_MS = 60_000
const SWEEP_EVERY_MS = 15 * 60_000
const SWEEP_OLDER_MS = 60 * 60_000

export type TendingDependencies = {
  scheduling: Pick<Scheduling, 'destinations' | 'repair' | 'forget'>
  contentStore: Pick<ContentStore, 'sweep'>
  isNeeded: Parameters<ContentStore['sweep']>[1]
  retryIntake: (lane: number) => Promise<number>
  lanes: number
  log: Log
  repaired: (count: number) => void
  signal: AbortSignal
}

export const createTending = (deps: TendingDependencies) => {
  const { scheduling, lanes, log, signal } = deps

  const tendDestination = async (lane: number, destination: string): Promise<void> => {
    if (await scheduling.forget(lane, destination)) return
    const repairs = await scheduling.repair(lane, destination)
    const count = repairs.tasks + repairs.sessions + repairs.permits + repairs.due + repairs.parked
    if (count === 0) return
    deps.repaired(count)
    log.warn('repaired', { destination, ...repairs })
  }

  const round = async (): Promise<void> => {
    for (let lane = 0; lane < lanes; lane++) {
      for await (const destinations of scheduling.destinations(lane)) {
        for (const destination of destinations) {
          if (signal.aborted) return
          await tendDestination(lane, destination).catch((error: unknown) => {
            log.warn('a destination could not be tended; next round', { destination, error })
          })
        }
      }
      const again = await deps.retryIntake(lane)
      if (again > 0) log.warn('intake is tried again', { lane, messages: again })
    }
  }

  /** A sweep of many contents ends at the signal, too: by its own question. */
  const isNeeded: TendingDependencies['isNeeded'] = (id, ref) => {
    signal.throwIfAborted()
    return deps.isNeeded(id, ref)
  }

  const sweep = async (): Promise<void> => {
    const swept = await deps.contentStore.sweep(SWEEP_OLDER_MS, isNeeded)
    if (swept > 0) log.info('removed contents that no message needs', { count: swept })
  }

  /** Runs until the signal. */
  return async (): Promise<void> => {
    let sweptAt = Number.NEGATIVE_INFINITY
    while (!signal.aborted) {
      try {
        await round()
        if (performance.now() - sweptAt > SWEEP_EVERY_MS) {
          await sweep()
          sweptAt = performance.now()
        }
      } catch (error) {
        if (!signal.aborted) log.warn('tending was interrupted; next round', { error })
      }
      await sleep(EVERY_MS, undefined, { signal }).catch(() => {})
    }
  }
}
