/**
 * Reads the figures of one lane, whole or not at all: a reading that fails leaves nothing behind but what the one before it told. Between
 * two readings it remembers since when the heads of queues have been due, and sites left alone; never more than one reading of them.
 */
import type { DestinationFigures, Figures, LaneFigures, SiteFigures, TaskState } from '@sluice/spool'

/** Destinations read in one exchange: a millisecond and a half of Redis, and some five of ours. */
const AT_ONCE = 100
/** s. What has been due for longer is asked whether a rate holds it back; below, nobody is woken for it. */
const LATE_SECONDS = 300

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

/** `awaySince`: ms since the epoch, of a site that is backed off. */
export type SiteInLane = { state: SiteFigures['state']; awaySince: number | null }

export type ReadLane = {
  /** ms of `performance.now()` when it was complete */
  at: number
  /** Their sites are not counted yet: one may lie in several lanes. */
  classes: Map<string, ClassFigures>
  sites: Map<string, SiteInLane>
  /** Messages that wait, by site. */
  waits: Map<string, number>
  destinations: { all: number; held: number }
  figures: LaneFigures
}

export type LaneReadingDependencies = {
  figures: Figures
  siteClassOf: (site: string) => string
  /** Whether a rate says when the destination's next message may go. */
  isMetered: (destination: string) => Promise<boolean>
  now: () => number
  signal: AbortSignal
  /** Keeps the work to its share of the time. */
  paced: <T>(work: () => Promise<T>) => Promise<T>
}

export const noFigures = (): ClassFigures => ({
  tasks: { due: 0, 'in-hand': 0, later: 0, parked: 0, held: 0 },
  sites: { served: 0, 'backed-off': 0, suspended: 0, paused: 0, curbed: 0 },
  permits: 0,
  permitted: 0,
  oldestDueSeconds: 0,
})

/** The figures of a class, begun when it is first asked for. */
export const inClass = (classes: Map<string, ClassFigures>, name: string): ClassFigures => {
  const found = classes.get(name) ?? noFigures()
  classes.set(name, found)
  return found
}

const addTasks = ({ tasks }: ClassFigures, { waiting, active, delayed, parked, held }: DestinationFigures): void => {
  tasks[held ? 'held' : 'due'] += waiting
  tasks['in-hand'] += active
  tasks.later += delayed
  tasks.parked += parked
}

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
    /** What was not seen since the last turn is forgotten; after a reading that failed, what only that one saw. */
    turn: (isWhole: boolean): void => {
      if (isWhole) before = current
      current = new Map()
    },
  }
}

/** @returns reads the lane; rejects when it cannot be read, or at the signal */
export const createLaneReading = (deps: LaneReadingDependencies, lane: number): (() => Promise<ReadLane>) => {
  const { figures, siteClassOf, isMetered, now, signal, paced } = deps
  const due = createSince(now)
  const away = createSince(now)

  const dueSeconds = ({ destination, firstDue }: DestinationFigures): number => {
    if (firstDue === null) return 0
    const seenAt = due.seen(`${destination}:${firstDue.id}`)
    return Math.max(0, now() - (firstDue.retried ? seenAt : firstDue.admittedAt)) / 1000
  }

  const addSite = (read: ReadLane, { site, state, permits, permitted }: SiteFigures): void => {
    const of = inClass(read.classes, siteClassOf(site))
    of.permits += permits
    of.permitted += permitted
    read.sites.set(site, { state, awaySince: state === 'backed-off' ? away.seen(site) : null })
  }

  const addDestination = (read: ReadLane, each: DestinationFigures): void => {
    const site = each.site ?? ''
    addTasks(inClass(read.classes, siteClassOf(site)), each)
    read.destinations.all++
    if (each.held) read.destinations.held++
    read.waits.set(site, (read.waits.get(site) ?? 0) + each.waiting + each.delayed)
  }

  const isMoving = ({ sites }: ReadLane, { held, site }: DestinationFigures): boolean => {
    const { state = 'served' } = sites.get(site ?? '') ?? {}
    return !held && (state === 'served' || state === 'curbed')
  }

  /** From the longest wait on, so that few are asked. */
  const takeOldest = async ({ classes }: ReadLane, destinations: DestinationFigures[]): Promise<void> => {
    const waits = destinations.map((each) => ({
      of: inClass(classes, siteClassOf(each.site ?? '')),
      seconds: dueSeconds(each),
      name: each.destination,
    }))
    for (const { of, seconds, name } of waits.toSorted((a, b) => b.seconds - a.seconds))
      if (seconds > of.oldestDueSeconds && (seconds < LATE_SECONDS || !(await isMetered(name)))) of.oldestDueSeconds = seconds
  }

  const readWhole = async (): Promise<ReadLane> => {
    const read: ReadLane = {
      at: 0,
      classes: new Map(),
      sites: new Map(),
      waits: new Map(),
      destinations: { all: 0, held: 0 },
      figures: await figures.lane(lane),
    }
    const names = await figures.destinations(lane)
    const seen = new Set<string>()
    for (let i = 0; i < names.length; i += AT_ONCE) {
      signal.throwIfAborted()
      const { destinations, sites } = await paced(() => figures.read(lane, names.slice(i, i + AT_ONCE), seen))
      for (const each of sites) addSite(read, each)
      for (const each of destinations) addDestination(read, each)
      const moving = destinations.filter((each) => isMoving(read, each))
      await paced(() => takeOldest(read, moving))
    }
    signal.throwIfAborted()
    return { ...read, at: performance.now() }
  }

  return async () => {
    let isWhole = false
    try {
      const read = await readWhole()
      isWhole = true
      return read
    } finally {
      due.turn(isWhole)
      away.turn(isWhole)
    }
  }
}
