/** What holds a whole site back for a time: curbs of reply rules, pauses, ramp-up, limits that were lowered. */
import { describe, expect, it } from 'vitest'
import type { SessionKey, Turn } from './index.ts'
import { acceptOf, PREFIX, useSpool } from './test-support/spool.ts'
import { createTurns, failed, none, ok } from './test-support/turns.ts'

const spool = useSpool()
const turns = createTurns(spool)
const SITE = `${PREFIX}:site:far.test`

const fill = async (count: number, destination = 'far.test'): Promise<void> => {
  for (let i = 0; i < count; i++) await spool.accept(acceptOf(`${destination}-${i}`, destination))
}
const permits = (): Promise<number> => spool.redis.zcard(`${PREFIX}:permits:far.test`)
/** Begins all open sessions. */
const startAll = async (): Promise<{ session: SessionKey; turn: Turn }[]> => {
  const begun: { session: SessionKey; turn: Turn }[] = []
  for (const session of await turns.takeAll()) begun.push({ session, turn: await turns.start(session) })
  return begun
}
/** How many sessions are open once nothing forbids another. */
const openNow = async (): Promise<number> => {
  for (let i = 0; i < 3; i++) {
    spool.clock.now += 600
    await spool.grant('far.test', { perSession: 1, sessions: 12, siteSessions: 12 })
    await spool.scheduling.wake(0, 100)
  }
  return permits()
}
const curb = (over: object) => ({ kind: 'curb', rule: 'too-many', reason: '421 too many connections', ...over }) as const

describe('a curb of connections', () => {
  it('ends sessions one by one until no more are open than it says, and then lets them grow again, doubling', async () => {
    await spool.grant('far.test', { perSession: 1, sessions: 12, siteSessions: 12 })
    await fill(60)
    const [first, ...rest] = await startAll()
    expect(rest.length).toBeGreaterThan(6)
    const told = await spool.sessions.turn(
      first!.session,
      'run',
      [{ kind: 'return', id: turns.idIn(first!.turn) }],
      curb({ connections: 2, forMs: 8000 }),
    )
    expect(told).toEqual({ kind: 'closed', why: 'over' })
    let left = rest
    const ends: string[] = []
    for (const { session, turn } of rest) {
      const next = await turns.deliver(session, turn)
      ends.push(next.kind)
      if (next.kind === 'closed') left = left.filter((each) => each.session !== session)
    }
    expect(ends.filter((kind) => kind === 'task')).toHaveLength(2)
    expect(await permits()).toBe(2)
    expect(await openNow()).toBe(2)
    spool.clock.now += 8000 - 1800
    expect(await openNow()).toBe(4)
    spool.clock.now += 100
    expect(await openNow()).toBe(8)
    spool.clock.now += 400
    expect(await openNow()).toBe(12)
  })

  it('is never loosened by another, only lengthened', async () => {
    await spool.grant()
    await fill(4)
    const session = await turns.open()
    let turn = await turns.start(session)
    turn = await turns.deliver(session, turn, curb({ connections: 2, intervalUs: 2000, forMs: 60_000 }))
    spool.clock.now += 10_000
    await turns.deliver(session, turn, curb({ connections: 9, intervalUs: 1000, forMs: 60_000 }))
    expect(await spool.redis.hmget(SITE, 'curbConnections', 'curbIntervalUs', 'curbUntil', 'curbReason')).toEqual([
      '2',
      '2000',
      String(spool.clock.now + 60_000),
      'rule too-many: 421 too many connections',
    ])
  })

  it('is not ended by a success', async () => {
    await spool.grant('far.test', { sessions: 1 })
    await fill(4)
    const session = await turns.open()
    const turn = await turns.deliver(session, await turns.start(session), curb({ connections: 1, forMs: 60_000 }))
    await turns.deliver(session, turn, ok)
    expect(await spool.redis.hget(SITE, 'curbConnections')).toBe('1')
  })
})

describe('a curb of the rate', () => {
  it('spaces messages, and eases until there is no limit again', async () => {
    await spool.grant('far.test', { sessions: 1 })
    await fill(9)
    const session = await turns.open()
    let turn = await turns.deliver(session, await turns.start(session), curb({ intervalUs: 1_000_000, forMs: 8000 }))
    turn = await turns.deliver(session, turn)
    expect(turn.kind).toBe('task') // A clock that begins may catch up by one.
    turn = await turns.deliver(session, turn)
    expect(turn.kind).toBe('wait')
    expect(turn.kind === 'wait' && turn.ms).toBeGreaterThan(500)
    await spool.redis.hdel(`${PREFIX}:delivery:${session.id}`, 'slot', 'slotOf')
    spool.clock.now += 8000 + 12 * 2000
    await spool.grant('far.test', { sessions: 1 })
    expect((await turns.deliver(session, turn)).kind).toBe('task')
  })
})

describe('a pause', () => {
  it('of a rule leaves the site alone; a success of a session under way does not end it', async () => {
    await spool.grant('far.test', { perSession: 1, sessions: 2 })
    await fill(6)
    const [one, two] = await startAll()
    const paused = await turns.deliver(one!.session, one!.turn, curb({ pauseMs: 600_000 }))
    expect(paused).toEqual({ kind: 'closed', why: 'backoff' })
    expect(await turns.deliver(two!.session, two!.turn, ok)).toEqual({ kind: 'closed', why: 'backoff' })
    const till = Number(await spool.redis.hget(SITE, 'pausedUntil'))
    expect(till - spool.clock.now).toBeGreaterThanOrEqual(540_000)
    expect(till - spool.clock.now).toBeLessThanOrEqual(660_000)
    expect(await openNow()).toBe(0)
    spool.clock.now = till + 1
    expect(await openNow()).toBeGreaterThan(0)
  })

  it('of a rule lets mail expire that outlives its schedule; one of the postmaster does not', async () => {
    for (const [reason, opened] of [
      ['suspended by anna: maintenance', 0],
      ['rule busy: 450 later', 1],
    ] as const) {
      await spool.redis.flushall()
      await spool.redis.hset(SITE, 'pausedUntil', spool.clock.now + 1_000_000, 'pauseReason', reason)
      await spool.grant('far.test', { maxAgeMs: 10_000 })
      await fill(1)
      spool.clock.now += 11_000
      await spool.grant('far.test', { maxAgeMs: 10_000 })
      const sessions = await turns.takeAll()
      expect(sessions).toHaveLength(opened)
      for (const session of sessions) expect((await spool.sessions.turn(session, 'expire', [], none)).kind).toBe('task')
    }
  })

  it('is kept for as long as it was meant: the key of the site does not go before it', async () => {
    await spool.redis.hset(SITE, 'pausedUntil', spool.clock.now + 30 * 86_400_000, 'pauseReason', 'suspended')
    await spool.redis.pexpire(SITE, 1000)
    await spool.grant()
    await fill(1)
    const session = (await spool.takeSession()) ?? null
    expect(session).toBeNull()
    await spool.redis.hset(SITE, 'pausedUntil', 1)
    const open = await turns.open()
    const turn = await turns.start(open)
    await spool.redis.hset(SITE, 'pausedUntil', spool.clock.now + 30 * 86_400_000)
    await turns.deliver(open, turn, failed)
    expect(await spool.redis.pttl(SITE)).toBe(-1)
  })
})

describe('a curb whose site refused before any message', () => {
  it('counts as a failure, too: the third leaves the site alone', async () => {
    await spool.grant('far.test', { sessions: 1 })
    await fill(5)
    const session = await turns.open()
    let turn = await turns.start(session)
    for (let i = 0; i < 3; i++) {
      const given = [{ kind: 'return', id: turns.idIn(turn) }] as const
      turn = await spool.sessions.turn(session, 'run', [...given], curb({ connections: 1, forMs: 1000, failed: true }))
    }
    expect(turn).toEqual({ kind: 'closed', why: 'backoff' })
    expect(await spool.redis.hget(SITE, 'failures')).toBe('3')
  })
})

describe('a dead site', () => {
  it('is left alone no longer than its grant says: our own mailbox comes back within seconds', async () => {
    await spool.redis.hset(SITE, 'failures', 9, 'until', spool.clock.now - 1, 'reason', 'refused')
    await spool.grant('far.test', { perSession: 1, longestPauseMs: 2000 })
    await fill(1)
    const probe = await turns.open()
    const given = [{ kind: 'return', id: turns.idIn(await turns.start(probe)) }] as const
    const failed = { kind: 'failed', reason: 'connection refused' } as const
    expect(await spool.sessions.turn(probe, 'run', [...given], failed)).toEqual({ kind: 'closed', why: 'backoff' })
    const pauseMs = Number(await spool.redis.hget(SITE, 'until')) - spool.clock.now
    expect(pauseMs).toBeGreaterThan(1700)
    expect(pauseMs).toBeLessThan(2300)
  })
})

describe('a site that was dead and comes back', () => {
  it('begins with one connection and doubles every few seconds up to its limit', async () => {
    await spool.redis.hset(SITE, 'failures', 5, 'until', spool.clock.now - 1, 'reason', 'refused')
    await spool.grant('far.test', { perSession: 1, sessions: 12, siteSessions: 12 })
    await fill(60)
    const probe = await turns.open()
    const turn = await turns.deliver(probe, await turns.start(probe))
    expect(turn.kind).toBe('task')
    expect(await spool.redis.hmget(SITE, 'failures', 'curbConnections')).toEqual([null, '1'])
    const seen: number[] = []
    for (let i = 0; i < 6; i++) {
      seen.push(await openNow())
      spool.clock.now += 1200
    }
    expect(seen).toEqual([1, 2, 4, 8, 12, 12])
  })
})

describe('a limit that was lowered', () => {
  it('ends sessions one by one, of a destination or of a site', async () => {
    for (const lowered of [{ sessions: 2 }, { siteSessions: 2 }]) {
      await spool.redis.flushall()
      await spool.grant('far.test', { perSession: 1 })
      await fill(30)
      let open = await startAll()
      expect(open.length).toBeGreaterThan(4)
      await spool.grant('far.test', { perSession: 1, ...lowered })
      for (const each of open) each.turn = await turns.deliver(each.session, each.turn)
      open = open.filter(({ turn }) => turn.kind === 'task')
      expect(open).toHaveLength(2)
      for (const each of open) each.turn = await turns.deliver(each.session, each.turn)
      expect(open.map(({ turn }) => turn.kind)).toEqual(['task', 'task'])
      expect(await spool.redis.hget(`${PREFIX}:grant:far.test`, 'over')).toBeNull()
    }
  })
})
