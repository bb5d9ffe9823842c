/**
 * Tending: a slow walk over all destinations, at start and then every minute, that repairs what went wrong before, forgets
 * what is empty, and now and then sweeps contents that no message needs, where they are this gateway's. Also runs intake jobs again
 * that failed: a failed job would be mail lost from sight. Beside that, at start and then every hour, it surveys all keys, for what no
 * index names any more. Every repair is counted, by kind, and logged. All of it keeps to a small share of the time, so that a spool
 * of a million tasks delivers beside it as an empty one does.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ContentStore, NotOurs } from '@sluice/content-store'
import type { Log } from '@sluice/runtime'
import type { FollowAudit, Present, Scheduling } from '@sluice/spool'
import { createNotOurs } from './not-ours.ts'

const EVERY_MS = 60_000
const SWEEP_EVERY_MS = 15 * 60_000
const SWEEP_OLDER_MS = 60 * 60_000
const AUDIT_AT_ONCE = 1000
const SURVEY_EVERY_MS = 60 * 60_000
/** Keys of one look, which keeps Redis for a millisecond or so. */
const SURVEY_KEYS = 200
/** The parts of the time that Redis may be kept busy: 2 million keys are surveyed in some eight minutes. */
const SURVEY_SHARE = 0.02
const WALK_SHARE = 0.1

/** What was repaired; the counter's label. */
export const REPAIRS = [
  'tasks',
  'sessions',
  'permits',
  'due',
  'errands',
  'intake',
  'destinations',
  'contents',
  'removed',
] as const
export type RepairKind = (typeof REPAIRS)[number]

export type TendingDependencies = {
  scheduling: Pick<Scheduling, 'destinations' | 'repair' | 'forget' | 'present' | 'survey'>
  contentStore: Pick<ContentStore, 'sweep'>
  isNeeded: Parameters<ContentStore['sweep']>[1]
  retryIntake: (lane: number) => Promise<number>
  followAudit: FollowAudit
  lanes: number
  log: Log
  repaired: (kind: RepairKind, count: number) => void
  /** How many folders or buckets were not swept, as their contents may be another gateway's. */
  notSwept: (count: number) => void
  signal: AbortSignal
}

export const createTending = (deps: TendingDependencies) => {
  const { scheduling, lanes, log, signal } = deps

  /** Counts what was done, and tells of it when it was anything. */
  const tell = (fields: Record<string, unknown>, found: Partial<Record<RepairKind, number>>): void => {
    let any = false
    for (const kind of REPAIRS) {
      const count = found[kind] ?? 0
      if (count > 0) deps.repaired(kind, count)
      any ||= count > 0
    }
    if (any) log.warn('repaired', { ...fields, ...found })
  }

  /** Works, then rests, so that the work takes this share of the time. */
  const paced = async <T>(share: number, work: () => Promise<T>): Promise<T> => {
    const startedAt = performance.now()
    const result = await work()
    await sleep((performance.now() - startedAt) * (1 / share - 1), undefined, { signal }).catch(() => {})
    return result
  }

  const tendDestination = async (lane: number, destination: string, present: Present): Promise<void> => {
    if (await scheduling.forget(lane, destination)) return
    tell({ destination }, await scheduling.repair(lane, destination, present))
  }

  const tendLane = async (lane: number): Promise<void> => {
    const present = await scheduling.present(lane)
    for await (const destinations of scheduling.destinations(lane)) {
      for (const destination of destinations) {
        if (signal.aborted) return
        await paced(WALK_SHARE, () => tendDestination(lane, destination, present)).catch((error: unknown) => {
          log.warn('a destination could not be tended; next round', { destination, error })
        })
      }
    }
    tell({ lane }, { intake: await deps.retryIntake(lane) })
  }

  const survey = async (lane: number): Promise<void> => {
    const look = async (from: string): Promise<string> => {
      const { cursor, ...found } = await scheduling.survey(lane, from, SURVEY_KEYS, SWEEP_OLDER_MS)
      tell({ lane }, found)
      return cursor
    }
    let cursor = '0'
    do cursor = await paced(SURVEY_SHARE, () => look(cursor))
    while (cursor !== '0' && !signal.aborted)
  }

  /** A sweep of many contents ends at the signal, too: by its own question. */
  const isNeeded: TendingDependencies['isNeeded'] = (id, ref) => {
    signal.throwIfAborted()
    return deps.isNeeded(id, ref)
  }

  const tellNotOurs = createNotOurs(log, deps.notSwept)
  const sweep = async (): Promise<void> => {
    const found: NotOurs[] = []
    const swept = await deps.contentStore.sweep(SWEEP_OLDER_MS, isNeeded, (one) => found.push(one))
    tellNotOurs(found)
    if (swept > 0) log.info('removed contents that no message needs', { count: swept })
  }

  /** What the postmaster did stands in the log of one of the spoolers, within a minute. */
  const tellAudit = async (): Promise<void> => {
    for (const { verb, at, op: _, ...note } of await deps.followAudit(AUDIT_AT_ONCE))
      log.event(verb, { ...note, saidAt: new Date(at).toISOString() })
  }

  const eachLane = (work: (lane: number) => Promise<void>) => async (): Promise<void> => {
    for (let lane = 0; lane < lanes; lane++) await work(lane)
  }

  const repeat = async (everyMs: number, work: () => Promise<void>): Promise<void> => {
    while (!signal.aborted) {
      const isDone = await work().then(
        () => true,
        (error: unknown) => {
          if (!signal.aborted) log.warn('tending was interrupted; next round', { error })
          return false
        },
      )
      await sleep(isDone ? everyMs : EVERY_MS, undefined, { signal }).catch(() => {})
    }
  }

  let sweptAt = Number.NEGATIVE_INFINITY
  const round = async (): Promise<void> => {
    await tellAudit()
    await eachLane(tendLane)()
    if (performance.now() - sweptAt <= SWEEP_EVERY_MS || signal.aborted) return
    await sweep()
    sweptAt = performance.now()
  }

  /** Runs until the signal. */
  return async (): Promise<void> => {
    await Promise.all([repeat(SURVEY_EVERY_MS, eachLane(survey)), repeat(EVERY_MS, round)])
  }
}
