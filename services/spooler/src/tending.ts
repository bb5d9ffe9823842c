/**
 * Tending: a slow walk over all destinations, at start and then every minute, that repairs what went wrong before, forgets
 * what is empty, and now and then sweeps contents that no message needs. Also runs intake jobs again that failed: a failed job
 * would be mail lost from sight. At start, before all else, and then every hour it surveys all keys, for what no index names any
 * more. Every repair is counted, by kind, and logged.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ContentStore } from '@sluice/content-store'
import type { Log } from '@sluice/runtime'
import type { FollowAudit, Present, Scheduling } from '@sluice/spool'

const EVERY_MS = 60_000
const SWEEP_EVERY_MS = 15 * 60_000
const SWEEP_OLDER_MS = 60 * 60_000
const AUDIT_AT_ONCE = 1000
const SURVEY_EVERY_MS = 60 * 60_000
/** Keys of one look, which keeps Redis for a millisecond or so, and the pause behind it: 2 million keys take some two minutes. */
const SURVEY_KEYS = 200
const SURVEY_PAUSE_MS = 5

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

  const tendDestination = async (lane: number, destination: string, present: Present): Promise<void> => {
    if (await scheduling.forget(lane, destination)) return
    tell({ destination }, await scheduling.repair(lane, destination, present))
  }

  const tendLane = async (lane: number): Promise<void> => {
    const present = await scheduling.present(lane)
    for await (const destinations of scheduling.destinations(lane)) {
      for (const destination of destinations) {
        if (signal.aborted) return
        await tendDestination(lane, destination, present).catch((error: unknown) => {
          log.warn('a destination could not be tended; next round', { destination, error })
        })
      }
    }
    tell({ lane }, { intake: await deps.retryIntake(lane) })
  }

  const survey = async (lane: number): Promise<void> => {
    for (let cursor = '0'; ; ) {
      const { cursor: next, ...found } = await scheduling.survey(lane, cursor, SURVEY_KEYS, SWEEP_OLDER_MS)
      tell({ lane }, found)
      if (next === '0' || signal.aborted) return
      cursor = next
      await sleep(SURVEY_PAUSE_MS)
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

  /** What the postmaster did stands in the log of one of the spoolers, within a minute. */
  const tellAudit = async (): Promise<void> => {
    for (const { verb, at, op: _, ...note } of await deps.followAudit(AUDIT_AT_ONCE))
      log.event(verb, { ...note, saidAt: new Date(at).toISOString() })
  }

  /** Runs until the signal. */
  return async (): Promise<void> => {
    const every = (ms: number, work: () => Promise<void>): (() => Promise<void>) => {
      let doneAt = Number.NEGATIVE_INFINITY
      return async () => {
        if (performance.now() - doneAt <= ms || signal.aborted) return
        await work()
        doneAt = performance.now()
      }
    }
    const eachLane = (work: (lane: number) => Promise<void>) => async (): Promise<void> => {
      for (let lane = 0; lane < lanes; lane++) await work(lane)
    }
    const steps = [tellAudit, every(SURVEY_EVERY_MS, eachLane(survey)), eachLane(tendLane), every(SWEEP_EVERY_MS, sweep)]
    while (!signal.aborted) {
      try {
        for (const step of steps) await step()
      } catch (error) {
        if (!signal.aborted) log.warn('tending was interrupted; next round', { error })
      }
      await sleep(EVERY_MS, undefined, { signal }).catch(() => {})
    }
  }
}
