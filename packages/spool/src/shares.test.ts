/** How destinations and classes share what a site permits: its connections, its rate; and who is not counted against the gateway's. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { SessionKey, Turn } from './index.ts'
import { acceptOf, PREFIX, useSpool } from './test-support/spool.ts'
import { createTurns } from './test-support/turns.ts'

const spool = useSpool()
const turns = createTurns(spool)

const BULK = { site: 'mx', class: 'bulk', share: 1 }
const USUAL = { site: 'mx', class: '', share: 10 }

const fill = async (count: number, destination: string): Promise<void> => {
  await Promise.all(Array.from({ length: count }, (_, i) => spool.accept(acceptOf(`${destination}-${i}`, destination))))
}

/** Runs every open session for some seconds of the clock, a task each second. @returns tasks by destination */
const runFor = async (seconds: number, regrant: () => Promise<void>): Promise<Map<string, number>> => {
  const served = new Map<string, number>()
  const running = new Map<string, { session: SessionKey; turn: Turn }>()
  for (let second = 0; second < seconds; second++) {
    await regrant()
    for (const session of await turns.takeAll()) running.set(session.id, { session, turn: await turns.start(session) })
    spool.clock.now += 1000
    for (const [id, { session, turn }] of running) {
      if (turn.kind === 'task') served.set(session.destination, (served.get(session.destination) ?? 0) + 1)
      const next = await turns.deliver(session, turn)
      if (next.kind === 'closed') running.delete(id)
      else running.set(id, { session, turn: next })
    }
  }
  return served
}

describe('a site’s permits', () => {
  it.each([1, 3])('go to classes by share when there are %i: ten to one, and none waits for ever', async (siteSessions) => {
    const regrant = async (): Promise<void> => {
      await spool.grant('far.test', { ...USUAL, siteSessions, sessions: siteSessions })
      await spool.grant('far.test/bulk', { ...BULK, siteSessions, sessions: siteSessions })
    }
    await regrant()
    await fill(100, 'far.test/bulk')
    await fill(100, 'far.test')
    const served = await runFor(33, regrant)
    const [usual, bulk] = [served.get('far.test') ?? 0, served.get('far.test/bulk') ?? 0]
    expect(usual + bulk).toBeGreaterThan(29 * siteSessions)
    expect(usual / bulk).toBeGreaterThan(6)
    expect(usual / bulk).toBeLessThan(15)
  })

  it('come to mail with the greater share within a second, whatever waits of the other; that goes on meanwhile', async () => {
    const bulk = Array.from({ length: 40 }, (_, i) => `d${i}.test/bulk`)
    const regrant = async (): Promise<void> => {
      for (const name of [...bulk, 'far.test'])
        await spool.grant(name, { ...(name === 'far.test' ? USUAL : BULK), siteSessions: 4 })
    }
    await regrant()
    for (const name of bulk) await fill(5, name)
    await runFor(6, regrant)
    await fill(1, 'far.test')
    const served = await runFor(3, regrant)
    expect(served.get('far.test')).toBe(1)
    expect([...served.values()].reduce((sum, each) => sum + each, 0)).toBeGreaterThan(7)
  })
})

/** Turns a session again and again in real time until the deadline. @returns when it was handed tasks, ms */
const drain = async (session: SessionKey, until: number): Promise<number[]> => {
  const times: number[] = []
  let turn = await turns.start(session)
  while (performance.now() < until && turn.kind !== 'closed') {
    if (turn.kind === 'task') times.push(performance.now())
    if (turn.kind === 'wait') await sleep(turn.ms)
    turn = await turns.deliver(session, turn)
  }
  return times
}

describe('a site’s rate', () => {
  const RATE = { siteIntervalUs: 20_000, sessions: 1 }

  it('binds all its destinations together', async () => {
    const names = ['one.test', 'two.test', 'three.test']
    for (const name of names) {
      await spool.grant(name, { ...USUAL, ...RATE })
      await fill(120, name)
    }
    const until = performance.now() + 1500
    const times = (await Promise.all((await turns.takeAll()).map((session) => drain(session, until)))).flat()
    expect(times.length).toBeLessThan(1500 / 20 + 12)
    expect(times.length).toBeGreaterThan(1500 / 20 / 2)
  })

  it('is shared by classes ten to one while both have mail, and is all of one when the other has none', async () => {
    await spool.grant('far.test', { ...USUAL, ...RATE })
    await spool.grant('far.test/bulk', { ...BULK, ...RATE })
    await fill(200, 'far.test/bulk')
    const [bulk] = await turns.takeAll()
    const alone = await drain(bulk!, performance.now() + 600)
    expect(alone.length).toBeGreaterThan(15)
    await fill(200, 'far.test')
    const [usual] = await turns.takeAll()
    const began = performance.now()
    const [ofBulk, ofUsual] = await Promise.all([drain(bulk!, began + 2500), drain(usual!, began + 2500)])
    expect(ofBulk.length + ofUsual.length).toBeLessThan(2500 / 20 + 12)
    expect(ofBulk.length).toBeGreaterThan(3)
    expect(ofUsual.length / ofBulk.length).toBeGreaterThan(4)
    const again = await drain(bulk!, performance.now() + 1200)
    expect(again.length).toBeGreaterThan(20)
  })
})

describe('the cap on the gateway', () => {
  it('does not hold those that are exempt, and is not used up by them', async () => {
    await spool.scheduling.cap(0, 3_600_000_000)
    const tat = String((Date.now() + 3_600_000) * 1000)
    await spool.redis.hset(`${PREFIX}:gateway`, 'tat', tat)
    await spool.grant('local', { exempt: true })
    await spool.grant('far.test')
    await fill(2, 'local')
    await fill(1, 'far.test')
    const sessions = await turns.takeAll()
    const kinds = new Map<string, string>()
    for (const session of sessions) kinds.set(session.destination, (await turns.start(session)).kind)
    expect(kinds.get('local')).toBe('task')
    expect(kinds.get('far.test')).toBe('sleep')
    expect(await spool.redis.hget(`${PREFIX}:gateway`, 'tat')).toBe(tat)
  })
})

describe('a destination without limits', () => {
  it('costs no command for them: not for curbs, clocks, classes or shares', async () => {
    await spool.grant('far.test', { sessions: 1 })
    await fill(12, 'far.test')
    const session = await turns.open()
    let turn = await turns.start(session)
    turn = await turns.deliver(session, turn)
    const before = await spool.redis.info('commandstats')
    for (let i = 0; i < 10; i++) turn = await turns.deliver(session, turn)
    const after = await spool.redis.info('commandstats')
    const calls = (stats: string, name: string): number =>
      Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
    const perTurn = (name: string): number => (calls(after, name) - calls(before, name)) / 10
    // One HGETALL is BullMQ's, of the task that it takes.
    expect(['time', 'zscore', 'hgetall', 'hset'].map(perTurn)).toEqual([0, 0, 1, 0])
    expect(await spool.redis.exists(`${PREFIX}:site:far.test`, `${PREFIX}:clock:far.test`)).toBe(0)
  })
})

describe('the moments of a site’s rate', () => {
  it('come to each of many domains behind it, also to those that come when others have many sessions', async () => {
    const names = ['one.test', 'two.test', 'three.test', 'four.test']
    const served = new Map<string, number>()
    const endAt = Date.now() + 3000
    const serve = async (session: SessionKey): Promise<void> => {
      let turn = await turns.start(session)
      while (Date.now() < endAt && (turn.kind === 'task' || turn.kind === 'wait')) {
        if (turn.kind === 'wait') await sleep(turn.ms)
        else served.set(session.destination, (served.get(session.destination) ?? 0) + 1)
        turn = await turns.deliver(session, turn)
      }
    }
    const open: Promise<void>[] = []
    for (const name of names) {
      spool.clock.now = Date.now()
      await spool.grant(name, { site: 'mx', perSession: 1, siteIntervalUs: 100_000 })
      await fill(40, name)
      for (const session of await turns.takeAll()) open.push(serve(session))
    }
    for (; Date.now() < endAt; await sleep(20)) {
      spool.clock.now = Date.now()
      for (const session of await turns.takeAll()) open.push(serve(session))
    }
    await Promise.all(open)
    const counts = names.map((name) => served.get(name) ?? 0)
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(15)
    expect(Math.min(...counts), counts.join(', ')).toBeGreaterThanOrEqual(3)
  })
})
