/**
 * Gathers the figures of the whole spool, when somebody scrapes them: a scrape waits for it for a moment, and else gets what was
 * gathered before, while the gathering goes on in the background, never twice at once. It works for a small share of the time and
 * reads counts only, so neither a million tasks nor ten thousand destinations slow anybody down. A lane that cannot be read is told as
 * it was last read, and hides no other: nothing moves in a lane whose server is away.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '@sluice/runtime'
import type { Figures, LaneFigures, SiteFigures } from '@sluice/spool'
import {
  type ClassFigures,
  createLaneReading,
  inClass,
  noFigures,
  type ReadLane,
  SITE_STATES,
  type SiteInLane,
} from './lane-reading.ts'

/** What is younger is not gathered anew: several scrapers cost no more than one. */
const FRESH_MS = 5000
/** How long a scrape waits for fresh figures. */
const PATIENCE_MS = 500
/** The part of the time that it may work, which keeps Redis busy for a few hundredths: ten thousand destinations take some five seconds. */
const SHARE = 0.15

export type Gathered = {
  /** ms of `performance.now()` when the lane was complete that was read the longest ago; of one that never was, when all began */
  at: number
  tookSeconds: number
  classes: Map<string, ClassFigures>
  destinations: { all: number; held: number }
  lanes: LaneFigures
  /** Sites left alone after failures, and for how many seconds so far; those for the longest come first. */
  backedOff: { site: string; siteClass: string; seconds: number; messages: number }[]
}

export type GatheringDependencies = {
  figures: Figures
  lanes: number
  siteClassOf: (site: string) => string
  /** Whether a rate says when the destination's next message may go. */
  isMetered: (destination: string) => Promise<boolean>
  now: () => number
  log: Log
  signal: AbortSignal
}

const noLanes = (): LaneFigures => ({
  sessions: { running: 0, waiting: 0, sleeping: 0 },
  intake: { waiting: 0, parked: 0 },
  contents: 0,
})

const addLane = (sum: LaneFigures, { sessions, intake, contents }: LaneFigures): void => {
  for (const key of ['running', 'waiting', 'sleeping'] as const) sum.sessions[key] += sessions[key]
  for (const key of ['waiting', 'parked'] as const) sum.intake[key] += intake[key]
  sum.contents += contents
}

const addClass = (sum: ClassFigures, { tasks, permits, permitted, oldestDueSeconds }: ClassFigures): void => {
  for (const state of ['due', 'in-hand', 'later', 'parked', 'held'] as const) sum.tasks[state] += tasks[state]
  sum.permits += permits
  sum.permitted += permitted
  sum.oldestDueSeconds = Math.max(sum.oldestDueSeconds, oldestDueSeconds)
}

const graver = (a: SiteFigures['state'], b: SiteFigures['state']): SiteFigures['state'] =>
  SITE_STATES.indexOf(a) < SITE_STATES.indexOf(b) ? a : b

/** Each site once, as it stands worst. */
const sitesOf = (read: ReadLane[]): Map<string, SiteInLane> => {
  const sites = new Map<string, SiteInLane>()
  for (const [site, { state, awaySince }] of read.flatMap((lane) => [...lane.sites])) {
    const other = sites.get(site)
    const since = Math.min(awaySince ?? Number.POSITIVE_INFINITY, other?.awaySince ?? Number.POSITIVE_INFINITY)
    sites.set(site, { state: graver(state, other?.state ?? 'served'), awaySince: Number.isFinite(since) ? since : null })
  }
  return sites
}

export const createGathering = (deps: GatheringDependencies) => {
  const { lanes, siteClassOf, now, log, signal } = deps
  const startedAt = performance.now()
  /** Classes that were told once are told as 0 afterwards. */
  const known = new Set<string>()
  let newest: Gathered | null = null
  let newestAt = Number.NEGATIVE_INFINITY
  let running: Promise<void> | null = null

  /** Works, then rests, so that the work takes this share of the time. */
  const paced = async <T>(work: () => Promise<T>): Promise<T> => {
    const beganAt = performance.now()
    const result = await work()
    const tookMs = performance.now() - beganAt
    if (tookMs >= 1) await sleep(tookMs * (1 / SHARE - 1), undefined, { signal, ref: false }).catch(() => {})
    return result
  }

  const readings = Array.from({ length: lanes }, (_, lane) => createLaneReading({ ...deps, paced }, lane))
  const lastRead = new Map<number, ReadLane>()

  const sumUp = (tookSeconds: number): Gathered => {
    const read = [...lastRead.values()]
    const at = Math.min(lastRead.size < lanes ? startedAt : Number.POSITIVE_INFINITY, ...read.map((lane) => lane.at))
    const classes = new Map([...known].map((name): [string, ClassFigures] => [name, noFigures()]))
    const sum: Gathered = { at, tookSeconds, classes, destinations: { all: 0, held: 0 }, lanes: noLanes(), backedOff: [] }
    for (const lane of read) {
      addLane(sum.lanes, lane.figures)
      sum.destinations.all += lane.destinations.all
      sum.destinations.held += lane.destinations.held
      for (const [name, figures] of lane.classes) addClass(inClass(classes, name), figures)
    }
    for (const [site, { state, awaySince }] of sitesOf(read)) {
      const siteClass = siteClassOf(site)
      inClass(classes, siteClass).sites[state]++
      if (state !== 'backed-off' || awaySince === null) continue
      const messages = read.reduce((all, { waits }) => all + (waits.get(site) ?? 0), 0)
      sum.backedOff.push({ site, siteClass, seconds: (now() - awaySince) / 1000, messages })
    }
    for (const name of classes.keys()) known.add(name)
    sum.backedOff.sort((a, b) => b.seconds - a.seconds)
    return sum
  }

  const gather = async (): Promise<void> => {
    const beganAt = performance.now()
    let isAnyRead = false
    for (const [lane, read] of readings.entries()) {
      try {
        lastRead.set(lane, await read())
        isAnyRead = true
      } catch (error) {
        if (signal.aborted) return
        log.debug('the figures of a lane could not be read; at the next scrape', { lane, error })
      }
    }
    if (!isAnyRead) return
    newestAt = performance.now()
    newest = sumUp((newestAt - beganAt) / 1000)
  }

  const begin = (): Promise<void> =>
    gather().finally(() => {
      running = null
    })

  /** @returns the newest figures; null before the first are complete */
  return async (): Promise<Gathered | null> => {
    if (performance.now() - newestAt > FRESH_MS) running ??= begin()
    if (running !== null) await Promise.race([running, sleep(PATIENCE_MS, undefined, { ref: false })])
    return newest
  }
}
export type Gather = ReturnType<typeof createGathering>
