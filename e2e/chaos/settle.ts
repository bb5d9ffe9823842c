/** After the last fault: waits until nothing is left in the spool but what was set aside, and then tries that once more by the verb. */
import { setTimeout as sleep } from 'node:timers/promises'
import { laneOf, lanePrefix } from '@sluice/contracts'
import { createVerbs, createWhy, type DestinationState, type Standing } from '@sluice/spool'
import type { Redis } from 'ioredis'

/** Tasks that were in hand of so many dying agents, or whose outcome nobody knows: set aside on purpose, and whole. */
const EXPLAINED = /died \d+ times in a row|is not known/

const isExplained = ({ task }: Standing): boolean => task?.state === 'parked' && EXPLAINED.test(task.problem ?? '')

type Spool = { redis: Redis; lanes: number }

export type Parked = { id: string; destination: string; reason: string; explained: boolean }

export type Settled = {
  /** Set aside, and why: before they were tried once more. */
  parked: Parked[]
  /** IDs that are left in the spool after all, and what `why` says of each when that is no reason. */
  left: ReadonlyMap<string, string | null>
  /** Nothing waits any more. */
  isQuiet: boolean
  tookMs: number
}

const LIMIT_MS = 300_000
/** How often what is set aside is tried again. */
const MOST_ROUNDS = 2
/** A site that failed too often is left alone for up to half an hour; beyond this the postmaster asks for it at once. */
const PATIENCE_MS = 15_000

/** What the run asks the spool, and asks of it. */
const lookInto = ({ redis, lanes }: Spool) => {
  const options = { redis, lanes, now: Date.now }
  const verbs = createVerbs(options)
  const why = createWhy(options)
  const keyOf = (destination: string): string => `${lanePrefix(laneOf(destination, lanes))}:${destination}`
  const parkedIn = ({ destination, parked }: DestinationState): Promise<string[]> =>
    parked === 0 ? Promise.resolve([]) : redis.zrange(`${keyOf(destination)}:failed`, '0', '-1')
  const allIn = async (state: DestinationState): Promise<string[]> => {
    const key = keyOf(state.destination)
    const lists = [redis.lrange(`${key}:wait`, 0, -1), redis.lrange(`${key}:active`, 0, -1)]
    return (await Promise.all([...lists, redis.zrange(`${key}:delayed`, '0', '-1'), parkedIn(state)])).flat()
  }
  return {
    retry: verbs.retry,
    /** How much is not yet at rest. A site that is left alone for long is asked for. */
    waiting: async (): Promise<number> => {
      const states = await verbs.queue()
      for (const { destination, backoff } of states) {
        if (backoff !== null && backoff.until > Date.now() + PATIENCE_MS) await verbs.retry(destination)
      }
      const intake = await verbs.intake()
      return states.reduce((sum, state) => sum + state.waiting + state.active + state.delayed + state.sessions, intake.waiting)
    },
    parked: async (): Promise<Parked[]> => {
      const found: Parked[] = []
      for (const state of await verbs.queue()) {
        const { destination } = state
        for (const id of await parkedIn(state)) {
          const standing = await why(destination, id)
          const reason = standing.task?.problem ?? 'why does not say'
          found.push({ id, destination, reason, explained: isExplained(standing) })
        }
      }
      return found
    },
    left: async (): Promise<Map<string, string | null>> => {
      const found = new Map<string, string | null>()
      for (const state of await verbs.queue()) {
        for (const id of await allIn(state)) {
          const standing = await why(state.destination, id)
          found.set(id, isExplained(standing) ? null : JSON.stringify(standing))
        }
      }
      return found
    },
  }
}

export const settle = async (spool: Spool, signal: AbortSignal, tell: (waiting: number) => void): Promise<Settled> => {
  const view = lookInto(spool)
  const startedAt = Date.now()
  const seen = new Map<string, Parked>()
  const note = (parked: readonly Parked[]): void => {
    for (const each of parked) seen.set(`${each.destination} ${each.id}`, each)
  }
  /** Twice: a notice comes into one queue before its cause leaves another. */
  const untilQuiet = async (): Promise<boolean> => {
    for (let quiet = 0; quiet < 2 && !signal.aborted; ) {
      const count = await view.waiting()
      quiet = count === 0 ? quiet + 1 : 0
      if (Date.now() - startedAt > LIMIT_MS) return false
      tell(count)
      await sleep(500)
    }
    return !signal.aborted
  }
  /** An attempt may bring an outcome that nobody knows, and so be set aside once more. */
  const release = async (): Promise<number> => {
    const parked = await view.parked()
    note(parked)
    for (const { destination, id } of parked) await view.retry(destination, id)
    return parked.length
  }
  note(await view.parked())
  let isQuiet = await untilQuiet()
  for (let round = 0; round < MOST_ROUNDS && isQuiet && (await release()) > 0; round++) isQuiet = await untilQuiet()
  return { parked: [...seen.values()], left: await view.left(), isQuiet, tookMs: Date.now() - startedAt }
}
