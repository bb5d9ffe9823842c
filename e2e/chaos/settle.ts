/** After the last fault: waits until nothing is left in the spool but what was set aside, and then tries that once more by the verb. */
import { setTimeout as sleep } from 'node:timers/promises'
import { laneOf, lanePrefix } from '@sluice/contracts'
import { createVerbs, createWhy, type DestinationState } from '@sluice/spool'
import type { Redis } from 'ioredis'

/** Tasks that were in hand of so many dying agents, or whose outcome nobody knows: set aside on purpose, and whole. */
const EXPLAINED = /died \d+ times in a row|is not known/

type Spool = { redis: Redis; lanes: number }

export type Parked = { id: string; destination: string; reason: string; explained: boolean }

export type Settled = {
  /** Set aside, and why: before they were tried once more. */
  parked: Parked[]
  /** IDs that are left in the spool after all, and what `why` says of each. */
  left: ReadonlyMap<string, string>
  /** Nothing waits any more. */
  isQuiet: boolean
  tookMs: number
}

const LIMIT_MS = 300_000
/** A site that failed too often is left alone for up to half an hour; beyond this the postmaster asks for it at once. */
const PATIENCE_MS = 15_000

const inSpool = async (
  { redis, lanes }: Spool,
  states: readonly DestinationState[],
): Promise<[id: string, destination: string][]> => {
  const found: [string, string][] = []
  for (const { destination } of states) {
    const key = `${lanePrefix(laneOf(destination, lanes))}:${destination}`
    const lists = [redis.lrange(`${key}:wait`, 0, -1), redis.lrange(`${key}:active`, 0, -1)]
    const sets = [redis.zrange(`${key}:delayed`, '0', '-1'), redis.zrange(`${key}:failed`, '0', '-1')]
    const ids = (await Promise.all([...lists, ...sets])).flat()
    found.push(...ids.map((id): [string, string] => [id, destination]))
  }
  return found
}

export const settle = async (spool: Spool, signal: AbortSignal, tell: (waiting: number) => void): Promise<Settled> => {
  const { redis, lanes } = spool
  const options = { redis, lanes, now: Date.now }
  const verbs = createVerbs(options)
  const why = createWhy(options)
  const startedAt = Date.now()

  const waiting = async (): Promise<number> => {
    const states = await verbs.queue()
    for (const { destination, backoff } of states) {
      if (backoff !== null && backoff.until > Date.now() + PATIENCE_MS) await verbs.retry(destination)
    }
    const intake = await verbs.intake()
    return states.reduce((sum, state) => sum + state.waiting + state.active + state.delayed + state.sessions, intake.waiting)
  }
  /** Twice: a notice comes into one queue before its cause leaves another. */
  const untilQuiet = async (): Promise<boolean> => {
    let quiet = 0
    while (quiet < 2 && !signal.aborted) {
      const count = await waiting()
      quiet = count === 0 ? quiet + 1 : 0
      if (Date.now() - startedAt > LIMIT_MS) return false
      tell(count)
      await sleep(500)
    }
    return !signal.aborted
  }
  const parkedNow = async (): Promise<Parked[]> => {
    const found: Parked[] = []
    for (const { destination, parked } of await verbs.queue()) {
      const ids =
        parked === 0 ? [] : await redis.zrange(`${lanePrefix(laneOf(destination, lanes))}:${destination}:failed`, '0', '-1')
      for (const id of ids) {
        const { task } = await why(destination, id)
        const reason = task?.problem ?? 'why does not say'
        found.push({ id, destination, reason, explained: task?.state === 'parked' && EXPLAINED.test(reason) })
      }
    }
    return found
  }

  const before = await parkedNow()
  await untilQuiet()
  const parked = await parkedNow()
  for (const { destination, id } of parked) await verbs.retry(destination, id)
  const isQuiet = await untilQuiet()
  const left = new Map<string, string>()
  for (const [id, destination] of await inSpool(spool, await verbs.queue()))
    left.set(id, JSON.stringify(await why(destination, id)))
  const all = new Map([...before, ...parked].map((each) => [`${each.destination} ${each.id}`, each]))
  return { parked: [...all.values()], left, isQuiet, tookMs: Date.now() - startedAt }
}
