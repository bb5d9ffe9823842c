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
/** Grants in force that are remembered, to be made anew; those beyond follow within the minute that grants live. */
const MOST_REMEMBERED = 50_000
/** Grants that are made anew at once. */
const RENEWED_AT_ONCE = 50

export type WakingDependencies = {
  scheduling: Pick<Scheduling, 'wake' | 'grant' | 'cap'>
  lanes: number
  /** µs between two messages of a lane, 0 without a cap. */
  capUs: () => number
  /** Another object when what is granted may have changed: the grants in force are then made anew at once. */
  policy: () => object
  grantOf: (destination: string) => Promise<Grant>
  now: () => number
  log: Log
  /** Seconds that one look took. */
  looked: (seconds: number) => void
  signal: AbortSignal
}

export const createWaking = ({ scheduling, lanes, capUs, policy, grantOf, now, log, looked, signal }: WakingDependencies) => {
  const granting = new Set<string>()
  /** By lane: destinations, and until when they are granted, ms since the epoch. */
  const granted = Array.from({ length: lanes }, () => new Map<string, number>())

  const remember = (lane: number, destination: string, until: number): void => {
    const known = granted[lane]
    if (known === undefined) return
    if (known.size >= MOST_REMEMBERED) known.clear()
    known.set(destination, until)
  }

  const grantOne = async (lane: number, destination: string): Promise<void> => {
    granting.add(destination)
    try {
      const grant = await grantOf(destination)
      await scheduling.grant(lane, destination, grant)
      remember(lane, destination, grant.until)
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

  /** The policy has changed: grants in force say what the old one said. */
  const renew = async (lane: number): Promise<void> => {
    const known = [...(granted[lane] ?? [])]
    granted[lane]?.clear()
    const inForce = known.filter(([, until]) => until > now()).map(([destination]) => destination)
    for (let at = 0; at < inForce.length && !signal.aborted; at += RENEWED_AT_ONCE)
      await Promise.all(inForce.slice(at, at + RENEWED_AT_ONCE).map((each) => grantOne(lane, each)))
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
    let applied: object | null = null
    while (!signal.aborted) {
      const startedAt = performance.now()
      try {
        const wanted = policy()
        if (wanted !== applied) {
          await scheduling.cap(lane, capUs())
          if (applied !== null) await renew(lane)
          applied = wanted
        }
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
