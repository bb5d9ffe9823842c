import { createLogger, createMetrics } from '@sluice/runtime'
import type { DestinationFigures, Figures, SiteFigures } from '@sluice/spool'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { declareFigures } from './figures.ts'
import { createGathering } from './gathering.ts'

const destination = (name: string, over: Partial<DestinationFigures> = {}): DestinationFigures => ({
  ...{ destination: name, waiting: 0, active: 0, delayed: 0, parked: 0, held: false, site: name, firstDue: null },
  ...over,
})
const site = (name: string, over: Partial<SiteFigures> = {}): SiteFigures => ({
  ...{ site: name, permits: 1, permitted: 20, state: 'served' },
  ...over,
})

type Lane = { destinations: DestinationFigures[]; sites: SiteFigures[] }

/** A spool that holds what the lanes say, and counts how often it is read. */
const figuresOf = (lanes: Lane[]): Figures & { reads: number } => {
  const figures = {
    reads: 0,
    lane: () =>
      Promise.resolve({
        sessions: { running: 1, waiting: 2, sleeping: 3 },
        intake: { waiting: 4, parked: 0 },
        contents: 5,
      }),
    destinations: (lane: number) => Promise.resolve(lanes[lane]?.destinations.map((each) => each.destination) ?? []),
    read: (lane: number, names: string[], seen: Set<string>) => {
      figures.reads++
      const { destinations = [], sites = [] } = lanes[lane] ?? {}
      const fresh = sites.filter((each) => !seen.has(each.site))
      for (const each of fresh) seen.add(each.site)
      return Promise.resolve({ destinations: destinations.filter((each) => names.includes(each.destination)), sites: fresh })
    },
  }
  return figures
}

const log = createLogger({ level: 'error', service: 'test', destination: { write: () => {} } })
const clock = { now: 10_000_000 }
const gatherOf = (figures: Figures, lanes = 1, isMetered = (_destination: string) => Promise.resolve(false)) =>
  createGathering({
    isMetered,
    ...{ figures, lanes, log, now: () => clock.now, signal: new AbortController().signal },
    siteClassOf: (name) => (name === 'far' ? 'far' : 'other'),
  })

describe('gathering', () => {
  it('sums tasks by state and class of site, and lanes', async () => {
    const figures = figuresOf([
      { destinations: [destination('far', { waiting: 3, active: 1 })], sites: [site('far', { permits: 2 })] },
      {
        destinations: [
          destination('a.test', { delayed: 4, parked: 1 }),
          destination('b.test', { waiting: 5, held: true }),
          destination('new.test', { waiting: 1, site: null }),
        ],
        sites: [site('a.test'), site('b.test')],
      },
    ])
    const gathered = await gatherOf(figures, 2)()
    expect(gathered?.classes.get('far')).toMatchObject({
      tasks: { due: 3, 'in-hand': 1, later: 0, parked: 0, held: 0 },
      permits: 2,
      permitted: 20,
    })
    expect(gathered?.classes.get('other')?.tasks).toEqual({ due: 1, 'in-hand': 0, later: 4, parked: 1, held: 5 })
    expect(gathered).toMatchObject({ destinations: { all: 4, held: 1 }, lanes: { sessions: { sleeping: 6 }, contents: 10 } })
  })

  it('tells how long the first has been due: a new one since its admission, a retry since it was first seen', async () => {
    const firstDue = { id: 'A', admittedAt: clock.now - 60_000, retried: false }
    const lane = { destinations: [destination('far', { waiting: 1, firstDue })], sites: [site('far')] }
    expect((await gatherOf(figuresOf([lane]))())?.classes.get('far')?.oldestDueSeconds).toBe(60)
    lane.destinations = [destination('far', { waiting: 1, firstDue: { ...firstDue, retried: true } })]
    expect((await gatherOf(figuresOf([lane]))())?.classes.get('far')?.oldestDueSeconds).toBe(0)
  })

  it('leaves what is held, and whose site is left alone, out of the oldest due', async () => {
    const firstDue = { id: 'A', admittedAt: clock.now - 60_000, retried: false }
    const lane = {
      destinations: [
        destination('a.test', { waiting: 1, firstDue, held: true }),
        destination('b.test', { waiting: 1, firstDue }),
        destination('c.test', { waiting: 1, delayed: 3, firstDue }),
      ],
      sites: [site('a.test'), site('b.test', { state: 'suspended' }), site('c.test', { state: 'backed-off' })],
    }
    const gathered = await gatherOf(figuresOf([lane]))()
    expect(gathered?.classes.get('other')).toMatchObject({
      oldestDueSeconds: 0,
      sites: { suspended: 1, 'backed-off': 1, served: 1 },
    })
    expect(gathered?.backedOff).toEqual([{ site: 'c.test', siteClass: 'other', seconds: 0, messages: 4 }])
  })

  it('leaves what a rate holds back out of the oldest due; asks only of what has been late for minutes, the latest first', async () => {
    const due = (seconds: number) => ({ id: 'A', admittedAt: clock.now - seconds * 1000, retried: false })
    const names = { 'mailing.test': 4000, 'stuck.test': 2000, 'less.test': 1000, 'young.test': 200 }
    const destinations = Object.entries(names).map(([name, age]) => destination(name, { waiting: 1, firstDue: due(age) }))
    const asked: string[] = []
    const isMetered = (name: string): Promise<boolean> => {
      asked.push(name)
      return Promise.resolve(name === 'mailing.test')
    }
    const oldest = async (lane: Lane) =>
      (await gatherOf(figuresOf([lane]), 1, isMetered)())?.classes.get('other')?.oldestDueSeconds
    expect(await oldest({ destinations, sites: [] })).toBe(2000)
    expect(asked).toEqual(['mailing.test', 'stuck.test'])
    asked.length = 0
    expect(await oldest({ destinations: destinations.slice(3), sites: [] })).toBe(200)
    expect(asked).toEqual([])
  })

  it('counts a site that lies in several lanes once, as it stands worst', async () => {
    const lanes = [site('x.test'), site('x.test', { state: 'backed-off' }), site('x.test', { state: 'curbed' })]
    const gathered = await gatherOf(
      figuresOf(lanes.map((each) => ({ destinations: [destination('x.test')], sites: [each] }))),
      3,
    )()
    expect(gathered?.classes.get('other')?.sites).toMatchObject({ 'backed-off': 1, served: 0, curbed: 0 })
    expect(gathered?.classes.get('other')?.permits).toBe(3)
  })

  it('reads the spool once for many scrapes, in pages', async () => {
    const figures = figuresOf([{ destinations: Array.from({ length: 250 }, (_, i) => destination(`d${i}.test`)), sites: [] }])
    const gather = gatherOf(figures)
    await Promise.all([gather(), gather(), gather()])
    await gather()
    expect(figures.reads).toBe(3)
  })

  it('keeps a scrape no longer than a moment while Redis does not answer, and then tells nothing', async () => {
    const figures: Figures = { ...figuresOf([]), lane: () => new Promise(() => {}) }
    const registry = createMetrics('spooler', { processFigures: false })
    declareFigures(registry, gatherOf(figures))
    const startedAt = performance.now()
    const text = await registry.metrics()
    expect(performance.now() - startedAt).toBeLessThan(5000)
    expect(text).toContain('# TYPE sluice_tasks gauge')
    expect(text).not.toMatch(/^sluice_tasks\{/m)
  })

  it('names the sites left alone for which the most mail waits', async () => {
    const names = Array.from({ length: 30 }, (_, i) => `s${i}.test`)
    const sites = names.map((name) => site(name, { state: 'backed-off' }))
    const destinations = names.map((name, i) => destination(name, { site: name, waiting: i, delayed: 100 }))
    const registry = createMetrics('spooler', { processFigures: false })
    declareFigures(registry, gatherOf(figuresOf([{ destinations, sites }])))
    const text = await registry.metrics()
    expect(text.match(/^sluice_site_backed_off_messages\{/gm)).toHaveLength(20)
    expect(text).toMatch(/^sluice_site_backed_off_messages\{site="s29.test",site_class="other",service="spooler"\} 129$/m)
    expect(text).not.toMatch(/^sluice_site_backed_off_messages\{site="s9.test"/m)
  })

  it('names twenty sites that are left alone at most', async () => {
    const names = Array.from({ length: 30 }, (_, i) => `s${i}.test`)
    const sites = names.map((name) => site(name, { state: 'backed-off' }))
    const registry = createMetrics('spooler', { processFigures: false })
    declareFigures(registry, gatherOf(figuresOf([{ destinations: names.map((name) => destination(name)), sites }])))
    const text = await registry.metrics()
    expect(text.match(/^sluice_site_backed_off_seconds\{/gm)).toHaveLength(20)
    expect(text).toMatch(/^sluice_sites\{state="backed-off",site_class="other",service="spooler"\} 30$/m)
  })

  describe('while one lane cannot be read', () => {
    const NEXT_MS = 6000
    beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
    afterEach(() => void vi.useRealTimers())
    const head = (id: string) => ({ waiting: 1, firstDue: { id, admittedAt: clock.now, retried: true } })
    const shards = () => {
      const lanes: Lane[] = [
        { destinations: [destination('far', head('A'))], sites: [site('far')] },
        { destinations: [destination('b.test', { waiting: 5 })], sites: [site('b.test', { state: 'backed-off' })] },
      ]
      const away = new Set<number>()
      const figures = figuresOf(lanes)
      const { lane, read } = figures
      figures.lane = (number) => (away.has(number) ? Promise.reject(new Error('the shard is away')) : lane(number))
      figures.read = (number, names, seen) =>
        away.has(number + 10) ? Promise.reject(new Error('gone')) : read(number, names, seen)
      const gather = gatherOf(figures, 2)
      const next = () => {
        vi.advanceTimersByTime(NEXT_MS)
        clock.now += NEXT_MS
        return gather()
      }
      return { lanes, away, next }
    }

    it('tells the others, and that lane as it was last read', async () => {
      const { lanes, away, next } = shards()
      away.add(1)
      const first = await next()
      expect(first?.classes.get('far')?.tasks.due).toBe(1)
      expect(first).toMatchObject({ destinations: { all: 1 }, backedOff: [] })
      expect(performance.now() - (first?.at ?? 0)).toBe(NEXT_MS)
      away.clear()
      const whole = await next()
      expect(whole).toMatchObject({ destinations: { all: 2 }, backedOff: [{ site: 'b.test', seconds: 0, messages: 5 }] })
      expect(performance.now() - (whole?.at ?? 0)).toBe(0)
      away.add(11)
      lanes[0] = { destinations: [], sites: [] }
      const last = await next()
      expect(last).toMatchObject({
        destinations: { all: 1 },
        backedOff: [{ site: 'b.test', seconds: NEXT_MS / 1000, messages: 5 }],
      })
      expect(last?.classes.get('far')?.tasks.due).toBe(0)
      expect(last?.classes.get('other')).toMatchObject({ tasks: { due: 5 }, sites: { 'backed-off': 1 } })
      expect(performance.now() - (last?.at ?? 0)).toBe(NEXT_MS)
    })

    it('forgets heads of queues that have gone, there and elsewhere', async () => {
      const { lanes, away, next } = shards()
      const dueSeconds = async () => (await next())?.classes.get('far')?.oldestDueSeconds
      away.add(1)
      expect(await dueSeconds()).toBe(0)
      expect(await dueSeconds()).toBe(NEXT_MS / 1000)
      lanes[0] = { destinations: [destination('far', head('B'))], sites: [site('far')] }
      expect(await dueSeconds()).toBe(0)
      lanes[0] = { destinations: [destination('far', head('A'))], sites: [site('far')] }
      expect(await dueSeconds()).toBe(0)
    })
  })
})
