/**
 * The one allowed poll: every 200 ms, per lane, `wake` looks at the destinations whose time has come. Those without a grant in
 * force get one; one that takes long (a slow DNS server) keeps no other waiting. Every claim is a script, so any number of
 * spoolers may do this at once, and any may die.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '@sluice/runtime'
import type { Grant, Scheduling } from '@sluice/spool'

const EVERY_MS = 200
const MOST_DESTINATIONS = 100
/** How long a look waits for the grants that it asked for, to use them at once. */
const GRANTS_WITHIN_MS = 50

export type WakingDependencies = {
  scheduling: Pick<Scheduling, 'wake' | 'grant' | 'cap'>
  lanes: number
  /** µs between two messages of a lane, 0 without a cap. */
  capUs: number
  grantOf: (destination: string) => Promise<Grant>
  log: Log
  /** Seconds that one look took. */
  looked: (seconds: number) => void
  signal: AbortSignal
}

export const createWaking = ({ scheduling, lanes, capUs, grantOf, log, looked, signal }: WakingDependencies) => {
  const granting = new Set<string>()

  const grantOne = async (lane: number, destination: string): Promise<void> => {
    granting.add(destination)
    try {
      await scheduling.grant(lane, destination, await grantOf(destination))
    } catch (error) {
      log.warn('no grant for a destination; its mail waits, and it is tried again', { destination, error })
    } finally {
      granting.delete(destination)
    }
  }

  const grantAll = async (lane: number, destinations: string[]): Promise<void> => {
    const grants = destinations.filter((each) => !granting.has(each)).map((each) => grantOne(lane, each))
    if (grants.length > 0) await Promise.race([Promise.all(grants), sleep(GRANTS_WITHIN_MS)])
  }

  /** Looks until nothing is due any more; a lane with much to do does not wait for the next tick. */
  const look = async (lane: number): Promise<void> => {
    for (let full = true; full && !signal.aborted; ) {
      const { looked: count, ungranted } = await scheduling.wake(lane, MOST_DESTINATIONS)
      const asked = ungranted.some((each) => !granting.has(each))
      await grantAll(lane, ungranted)
      full = count === MOST_DESTINATIONS || asked
    }
  }

  const watch = async (lane: number): Promise<void> => {
    let away = false
    let capped = false
    while (!signal.aborted) {
      const startedAt = performance.now()
      try {
        if (!capped) await scheduling.cap(lane, capUs)
        capped = true
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
