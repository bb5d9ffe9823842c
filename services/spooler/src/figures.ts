/** The figures of the whole spool, as they were gathered last (gathering.ts). Every spooler tells them, so take the max, not the sum. */
import type { Metrics } from '@sluice/runtime'
import { TASK_STATES } from '@sluice/spool'
import { Gauge } from 'prom-client'
import type { Gather, Gathered } from './gathering.ts'
import { SITE_STATES } from './lane-reading.ts'

/** Sites that are told by name. */
const MOST_SITES = 20

type Declare = (
  name: string,
  labelNames: readonly string[],
  help: string,
  set: (gauge: Gauge<string>, gathered: Gathered) => void,
) => void

const createDeclare =
  (registry: Metrics, gather: Gather): Declare =>
  (name, labelNames, help, set) => {
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      async collect() {
        const gathered = await gather()
        this.reset()
        if (gathered !== null) set(this, gathered)
      },
    })
  }

const declareClasses = (declare: Declare): void => {
  declare(
    'sluice_tasks',
    ['state', 'site_class'],
    'Tasks in the spool: due; in-hand of a session; later (waiting for their next attempt); parked (set aside for the postmaster, messages held one by one included); held (due, but their destination is held)',
    (gauge, { classes }) => {
      for (const [site_class, { tasks }] of classes)
        for (const state of TASK_STATES) gauge.set({ state, site_class }, tasks[state])
    },
  )
  declare(
    'sluice_oldest_due_seconds',
    ['site_class'],
    'How long the task that is to be taken next has been due, the longest of all destinations but those that are held, whose site is left alone, or which a rate has held back for minutes; of a retry, since it was first seen due',
    (gauge, { classes }) => {
      for (const [site_class, { oldestDueSeconds }] of classes) gauge.set({ site_class }, oldestDueSeconds)
    },
  )
  declare(
    'sluice_permits',
    ['site_class'],
    'Permits in use: sessions open to the sites of a class, waiting for an agent or asleep included',
    (gauge, { classes }) => {
      for (const [site_class, { permits }] of classes) gauge.set({ site_class }, permits)
    },
  )
  declare(
    'sluice_permits_permitted',
    ['site_class'],
    'Permits that policy gives the sites of a class that have mail, curbs of reply rules not counted in',
    (gauge, { classes }) => {
      for (const [site_class, { permitted }] of classes) gauge.set({ site_class }, permitted)
    },
  )
  declare(
    'sluice_sites',
    ['state', 'site_class'],
    'Sites that mail waits for or was sent to lately: suspended (by the postmaster), backed-off (left alone after failures, or probed), paused (by a reply rule), curbed (fewer connections or a lower rate), served',
    (gauge, { classes }) => {
      for (const [site_class, { sites }] of classes)
        for (const state of SITE_STATES) gauge.set({ state, site_class }, sites[state])
    },
  )
}

const declareWhole = (declare: Declare): void => {
  declare(
    'sluice_site_backed_off_seconds',
    ['site'],
    `How long a site has been left alone after failures, probes included, as far as this spooler has seen it: the ${MOST_SITES} that have been so for the longest`,
    (gauge, { backedOff }) => {
      for (const { site, seconds } of backedOff.slice(0, MOST_SITES)) gauge.set({ site }, seconds)
    },
  )
  declare(
    'sluice_site_backed_off_messages',
    ['site', 'site_class'],
    `Messages that wait for a site that is left alone after failures: the ${MOST_SITES} for which the most wait`,
    (gauge, { backedOff }) => {
      const most = backedOff.toSorted((a, b) => b.messages - a.messages).slice(0, MOST_SITES)
      for (const { site, siteClass, messages } of most) gauge.set({ site, site_class: siteClass }, messages)
    },
  )
  declare(
    'sluice_destinations',
    ['state'],
    'Destinations that hold mail or did lately, by whether they are held',
    (gauge, all) => {
      gauge.set({ state: 'held' }, all.destinations.held)
      gauge.set({ state: 'served' }, all.destinations.all - all.destinations.held)
    },
  )
  declare(
    'sluice_sessions',
    ['state'],
    'Sessions of the whole gateway: running (an agent has them), waiting (for an agent), sleeping (until the next moment of their rate)',
    (gauge, { lanes }) => {
      for (const [state, count] of Object.entries(lanes.sessions)) gauge.set({ state }, count)
    },
  )
  declare(
    'sluice_intake_messages',
    ['state'],
    'Messages with several destinations whose tasks are still to be made (waiting), or whose payload was not understood (parked)',
    (gauge, { lanes }) => {
      for (const [state, count] of Object.entries(lanes.intake)) gauge.set({ state }, count)
    },
  )
  declare('sluice_contents', [], 'Contents above content.threshold that lie in Redis, apart from their tasks', (gauge, all) =>
    gauge.set(all.lanes.contents),
  )
  declare(
    'sluice_figures_age_seconds',
    [],
    'Age of the figures of the spool when they were scraped, of the lane that was read the longest ago: long when Redis, or one of its shards, is away, or when there are very many destinations',
    (gauge, { at }) => gauge.set((performance.now() - at) / 1000),
  )
  declare('sluice_figures_seconds', [], 'How long it took to gather the figures of the spool', (gauge, { tookSeconds }) =>
    gauge.set(tookSeconds),
  )
}

export const declareFigures = (registry: Metrics, gather: Gather): void => {
  const declare = createDeclare(registry, gather)
  declareClasses(declare)
  declareWhole(declare)
}
