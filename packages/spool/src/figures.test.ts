/** The numbers of a spool with something in every state, on a real Redis. */
import { describe, expect, it, vi } from 'vitest'
import { createFigures } from './figures.ts'
import { acceptOf, PREFIX, useSpool } from './test-support/spool.ts'
import { createTurns } from './test-support/turns.ts'
import { createWhy, isMetered } from './why.ts'

const spool = useSpool()

const read = async (names: string[], seen = new Set<string>()) =>
  createFigures({ redis: spool.redis, now: () => spool.clock.now }).read(0, names, seen)

describe('the figures of a spool', () => {
  it('tell the states of tasks, the first that is due and since when, and the site with its permits', async () => {
    await spool.grant()
    const startedAt = spool.clock.now
    await spool.accept(acceptOf('A'))
    spool.clock.now += 5000
    await spool.accept(acceptOf('B'))
    const { destinations, sites } = await read(['far.test'])
    expect(destinations).toEqual([
      {
        ...{ destination: 'far.test', waiting: 2, active: 0, delayed: 0, parked: 0, held: false, site: 'far.test' },
        firstDue: { id: 'A', admittedAt: startedAt, retried: false },
      },
    ])
    expect(sites).toEqual([{ site: 'far.test', permits: 2, permitted: 20, state: 'served' }])
    const figures = createFigures({ redis: spool.redis, now: () => spool.clock.now })
    expect(await figures.lane(0)).toEqual({
      sessions: { running: 0, waiting: 2, sleeping: 0 },
      intake: { waiting: 0, parked: 0 },
      contents: 0,
    })
    expect(await figures.destinations(0)).toEqual(['far.test'])
  })

  it('tell that a task which was taken before is a retry', async () => {
    await spool.grant()
    await spool.accept(acceptOf('A'))
    await spool.redis.hset(`${PREFIX}:far.test:A`, 'ats', '1')
    expect((await read(['far.test'])).destinations[0]?.firstDue).toMatchObject({ id: 'A', retried: true })
  })

  it('read a site once, and one without a grant not at all', async () => {
    await spool.accept(acceptOf('A', 'new.test'))
    await spool.grant('one.test', { site: 'shared' })
    await spool.grant('two.test', { site: 'shared' })
    const seen = new Set<string>()
    expect((await read(['new.test', 'one.test'], seen)).sites.map(({ site }) => site)).toEqual(['shared'])
    expect((await read(['two.test'], seen)).sites).toEqual([])
  })

  it.each([
    ['backed-off', ['failures', '3', 'until', '0']],
    ['served', ['failures', '2']],
    ['suspended', ['pausedUntil', '99999999999999', 'pauseReason', 'suspended by anna']],
    ['paused', ['pausedUntil', '99999999999999', 'pauseReason', 'rule slow: 421 slow down']],
    ['curbed', ['curbUntil', '99999999999999', 'curbStepMs', '1000', 'curbConnections', '1']],
  ])('tell of a site that is %s', async (state, fields) => {
    await spool.grant()
    await spool.redis.hset(`${PREFIX}:site:far.test`, ...fields)
    expect((await read(['far.test'])).sites[0]?.state).toBe(state)
  })

  it.each([
    ['its own rate', { intervalUs: 3_000_000 }, true],
    ['the rate of its site', { siteIntervalUs: 3_000_000 }, true],
    ['no rate', {}, false],
  ])('tell whether mail waits for %s', async (_, grant, metered) => {
    const turns = createTurns(spool)
    const ask = createWhy({ redis: spool.redis, lanes: 1, now: () => spool.clock.now })
    await spool.grant('far.test', grant)
    for (const id of ['A', 'B', 'C']) await spool.accept(acceptOf(id))
    expect(isMetered(await ask('far.test'))).toBe(false)
    const session = await turns.open()
    await turns.deliver(session, await turns.start(session))
    expect(isMetered(await ask('far.test'))).toBe(metered)
    // Rates go by the clock of Redis.
    await vi.waitFor(async () => expect(isMetered(await ask('far.test'))).toBe(false), { timeout: 15_000, interval: 50 })
  })

  it('tell the counts of a destination that is held', async () => {
    await spool.grant()
    await spool.accept(acceptOf('A'))
    await spool.verbs.hold('far.test')
    expect((await read(['far.test'])).destinations[0]).toMatchObject({ waiting: 1, held: true })
  })
})
