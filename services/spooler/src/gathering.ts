/**
 * Gathers the figures of the whole spool, when somebody scrapes them: a scrape waits for it for a moment, and else gets what was
 * gathered before, while the gathering goes on in the background, never twice at once. It works for a small share of the time and
 * reads counts only, so neither a million tasks nor ten thousand destinations slow anybody down.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '@sluice/runtime'
import type { DestinationFigures, Figures, LaneFigures, SiteFigures, TaskState } from '@sluice/spool'

/** What is younger is not gathered anew: several scrapers cost no more than one. */
const FRESH_MS = 5000
/** How long a scrape waits for fresh figures. */
const PATIENCE_MS = 500
/** Destinations read in one exchange: a millisecond and a half of Redis, and some five of ours. */
const AT_ONCE = 100
/** s. What has been due for longer is asked whether a rate holds it back; below, nobody is woken for it. */
const LATE_SECONDS = 300
/** The part of the time that it may work, which keeps Redis busy for a few hundredths: ten thousand destinations take some five seconds. */
const SHARE = 0.15

/** In the order in which they count for a site that lies in several lanes. */
export const SITE_STATES = ['suspended', 'backed-off', 'paused', 'curbed', 'served'] as const satisfies SiteFigures['state'][]

export type ClassFigures = {
  tasks: Record<TaskState, number>
  sites: Record<SiteFigures['state'], number>
  permits: number
  permitted: number
  /**
   * s that the task which is to be taken next has been due, the longest of all; not of what is held, whose site is left alone, or what
   * a rate has held back for minutes.
   */
  oldestDueSeconds: number
}

export type Gathered = {
  /** ms of `performance.now()` when it was complete */
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

const noFigures = (): ClassFigures => ({
  tasks: { due: 0, 'in-hand': 0, later: 0, parked: 0, held: 0 },
  sites: { served: 0, 'backed-off': 0, suspended: 0, paused: 0, curbed: 0 },
  permits: 0,
  permitted: 0,
  oldestDueSeconds: 0,
})

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

const addTasks = ({ tasks }: ClassFigures, { waiting, active, delayed, parked, held }: DestinationFigures): void => {
  tasks[held ? 'held' : 'due'] += waiting
  tasks['in-hand'] += active
  tasks.later += delayed
  tasks.parked += parked
}

type ClassOf = (site: string) => ClassFigures
type States = Map<string, SiteFigures['state']>
/** Messages that wait, by site. */
type Waiting = Map<string, number>

const graver = (a: SiteFigures['state'], b: SiteFigures['state']): SiteFigures['state'] =>
  SITE_STATES.indexOf(a) < SITE_STATES.indexOf(b) ? a : b

/** Since when somebody has been the way they are, as far as it was seen. */
const createSince = (now: () => number) => {
  let before = new Map<string, number>()
  let current = new Map<string, number>()
  return {
    /** @returns ms since the epoch when it was first seen so */
    seen: (what: string): number => {
      const since = before.get(what) ?? current.get(what) ?? now()
      current.set(what, since)
      return since
    },
    /** What was not seen since the last turn is forgotten. */
    turn: (): void => {
      before = current
      current = new Map()
    },
  }
}

export const createGathering = (deps: GatheringDependencies) => {
  const { figures, lanes, siteClassOf, isMetered, now, log, signal } = deps
  const due = createSince(now)
  const away = createSince(now)
  /** Classes that were told once are told as 0 afterwards. */
  const known = new Set<string>()
  let newest: Gathered | null = null
  let running: Promise<void> | null = null

  /** Works, then rests, so that the work takes this share of the time. */
  const paced = async <T>(work: () => Promise<T>): Promise<T> => {
    const startedAt = performance.now()
    const result = await work()
    const tookMs = performance.now() - startedAt
    if (tookMs >= 1) await sleep(tookMs * (1 / SHARE - 1), undefined, { signal, ref: false }).catch(() => {})
    return result
  }

  const dueSeconds = ({ destination, firstDue }: DestinationFigures): number => {
    if (firstDue === null) return 0
    const seenAt = due.seen(`${destination}:${firstDue.id}`)
    return Math.max(0, now() - (firstDue.retried ? seenAt : firstDue.admittedAt)) / 1000
  }

  /** From the longest wait on, so that few are asked. */
  const takeOldest = async (destinations: DestinationFigures[], classOf: ClassOf): Promise<void> => {
    const waits = destinations.map((each) => ({
      of: classOf(each.site ?? ''),
      seconds: dueSeconds(each),
      name: each.destination,
    }))
    for (const { of, seconds, name } of waits.toSorted((a, b) => b.seconds - a.seconds))
      if (seconds > of.oldestDueSeconds && (seconds < LATE_SECONDS || !(await isMetered(name)))) of.oldestDueSeconds = seconds
  }

  const gatherLane = async (lane: number, sum: Gathered, classOf: ClassOf, states: States, waits: Waiting): Promise<void> => {
    addLane(sum.lanes, await figures.lane(lane))
    const names = await figures.destinations(lane)
    const seen = new Set<string>()
    const leftAlone = new Set<string>()
    for (let i = 0; i < names.length && !signal.aborted; i += AT_ONCE) {
      const { destinations, sites } = await paced(() => figures.read(lane, names.slice(i, i + AT_ONCE), seen))
      for (const { site, state, permits, permitted } of sites) {
        const of = classOf(site)
        states.set(site, graver(state, states.get(site) ?? 'served'))
        of.permits += permits
        of.permitted += permitted
        if (state !== 'served' && state !== 'curbed') leftAlone.add(site)
      }
      for (const each of destinations) {
        const of = classOf(each.site ?? '')
        addTasks(of, each)
        sum.destinations.all++
        if (each.held) sum.destinations.held++
        const site = each.site ?? ''
        waits.set(site, (waits.get(site) ?? 0) + each.waiting + each.delayed)
      }
      const moving = destinations.filter(({ held, site }) => !held && !leftAlone.has(site ?? ''))
      await paced(() => takeOldest(moving, classOf))
    }
  }

  const gather = async (): Promise<void> => {
    const startedAt = performance.now()
    const classes = new Map([...known].map((name): [string, ClassFigures] => [name, noFigures()]))
    const sum: Gathered = { at: 0, tookSeconds: 0, classes, destinations: { all: 0, held: 0 }, lanes: noLanes(), backedOff: [] }
    const classOf = (site: string): ClassFigures => {
      const name = siteClassOf(site)
      known.add(name)
      const found = classes.get(name) ?? noFigures()
      classes.set(name, found)
      return found
    }
    const states: States = new Map()
    const waits: Waiting = new Map()
    for (let lane = 0; lane < lanes && !signal.aborted; lane++) await gatherLane(lane, sum, classOf, states, waits)
    if (signal.aborted) return
    for (const [site, state] of states) {
      classOf(site).sites[state]++
      if (state === 'backed-off')
        sum.backedOff.push({
          site,
          siteClass: siteClassOf(site),
          seconds: (now() - away.seen(site)) / 1000,
          messages: waits.get(site) ?? 0,
        })
    }
    due.turn()
    away.turn()
    sum.backedOff.sort((a, b) => b.seconds - a.seconds)
    newest = { ...sum, at: performance.now(), tookSeconds: (performance.now() - startedAt) / 1000 }
  }

  const begin = (): Promise<void> =>
    gather()
      .catch((error: unknown) => log.debug('the figures of the spool could not be gathered; at the next scrape', { error }))
      .finally(() => {
        running = null
      })

  /** @returns the newest figures; null before the first are complete */
  return async (): Promise<Gathered | null> => {
    if (newest === null || performance.now() - newest.at > FRESH_MS) running ??= begin()
    if (running !== null) await Promise.race([running, sleep(PATIENCE_MS, undefined, { ref: false })])
    return newest
  }
}
export type Gather = ReturnType<typeof createGathering>
