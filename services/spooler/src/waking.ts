/**
 * The one allowed poll: every 200 ms, per lane, `wake` looks at the destinations whose time has come. Those without a grant in
 * force get one. Every claim is a script, so any number of spoolers may do this at once, and any may die.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '@sluice/runtime'
import type { Grant, Scheduling } from '@sluice/spool'

const EVERY_MS = 200
const MOST_DESTINATIONS = 100

export type WakingDependencies = {
  scheduling: Pick<Scheduling, 'wake' | 'grant'>
  lanes: number
  grantOf: (destination: string) => Promise<Grant>
  log: Log
  /** Seconds that one look took, and whether Redis answered. */
  looked: (seconds: number) => void
  signal: AbortSignal
}

export const createWaking = ({ scheduling, lanes, grantOf, log, looked, signal }: WakingDependencies) => {
  const grantAll = (lane: number, destinations: string[]): Promise<unknown> =>
    Promise.all(destinations.map(async (destination) => scheduling.grant(lane, destination, await grantOf(destination))))

  /** Looks until nothing is due any more; a lane with much to do does not wait for the next tick. */
  const look = async (lane: number): Promise<void> => {
    for (let full = true; full && !signal.aborted; ) {
      const { looked, ungranted } = await scheduling.wake(lane, MOST_DESTINATIONS)
      await grantAll(lane, ungranted)
      full = looked === MOST_DESTINATIONS || ungranted.length > 0
    }
  }

  const watch = async (lane: number): Promise<void> => {
    let away = false
    while (!signal.aborted) {
      const startedAt = performance.now()
      try {
        await look(lane)
        looked((performance.now() - startedAt) / 1000)
        away = false
      } catch (error) {
        if (!away) log.warn('the spool cannot be looked at; trying again', { lane, error })
        away = true
      }
      await sleep(EVERY_MS, undefined, { signal }).catch(() => {})
    }
  }

  /** Runs until the signal. */
  return (): Promise<unknown> => Promise.all(Array.from({ length: lanes }, (_, lane) => watch(lane)))
}
