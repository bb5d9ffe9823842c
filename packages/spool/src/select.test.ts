/** Which tasks a query means: each field by itself, all together, and while mail flows. */
import { addressMatcher, textMatcher } from '@sluice/smtp'
import { describe, expect, it } from 'vitest'
import { createSelection, createShape, type Query } from './index.ts'
import { acceptOf, envelopeOf, PREFIX, useSpool } from './test-support/spool.ts'

const spool = useSpool()
const none = { kind: 'none' } as const
const select = async (query: Query): Promise<string[]> => {
  const found: string[] = []
  for await (const some of createSelection({ redis: spool.redis, lanes: 1 }).tasks(query))
    found.push(...some.map(({ destination, id, state }) => `${destination} ${id} ${state}`))
  return found.sort()
}
const put = (id: string, destination: string, from: string, to: string, receivedAt: number) =>
  spool.accept(
    acceptOf(id, destination, { envelope: envelopeOf(id, { from, to: [{ address: to, original: `old-${to}` }], receivedAt }) }),
  )

const fill = async () => {
  const { now } = spool.clock
  await put('A', 'far.test', 'anna@own.test', 'x@far.test', now - 60_000)
  await put('B', 'far.test', '', 'y@far.test', now - 7_200_000)
  await put('C', 'far.test/bulk', 'say"so"@own.test', 'z@far.test', now - 600_000)
  await put('D', 'two.test', 'ben@sub.own.test', 'x@two.test', now - 9_000_000)
  for (const [name, site] of [
    ['far.test', 'mx.one'],
    ['far.test/bulk', 'mx.one'],
    ['two.test', 'mx.two'],
  ] as const)
    await spool.grant(name, { site })
}

describe('a query', () => {
  it.each<[string, Query, string]>([
    ['destination', { destination: textMatcher('far.test*') }, 'A B C'],
    ['site', { site: textMatcher('mx.o*') }, 'A B C'],
    ['class', { class: (name) => name === '' }, 'A B D'],
    ['class', { class: textMatcher('bulk') }, 'C'],
    ['sender', { sender: addressMatcher('*@own.test') }, 'A C'],
    ['sender, with a quote in it', { sender: addressMatcher('say"so"@own.test') }, 'C'],
    ['null sender', { sender: addressMatcher('<>') }, 'B'],
    ['recipient', { recipient: addressMatcher('x@*') }, 'A D'],
    ['recipient, as the sender wrote it', { recipient: addressMatcher('old-y@far.test') }, 'B'],
    ['id', { id: textMatcher('*D') }, 'D'],
    ['ids', { ids: ['A', 'D', 'Z'] }, 'A D'],
    ['several at once', { sender: addressMatcher('own.test'), destination: textMatcher('far.test') }, 'A'],
    ['state', { states: ['later'] }, ''],
  ])('by %s', async (_, query, expected) => {
    await fill()
    expect((await select(query)).map((each) => each.split(' ')[1]).join(' ')).toBe(expected)
  })

  it('by age', async () => {
    await fill()
    expect(await select({ receivedBefore: spool.clock.now - 3_600_000 })).toEqual(['far.test B due', 'two.test D due'])
    expect(await select({ receivedAfter: spool.clock.now - 300_000 })).toEqual(['far.test A due'])
  })

  it('by state, a hold that nobody has carried out yet included', async () => {
    await fill()
    await spool.verbs.mark('far.test', ['A'], { verb: 'hold', who: 'me', why: '', at: 1, op: '1' })
    await spool.scheduling.wake(0, 100)
    const session = await spool.takeSession()
    expect(session).not.toBeNull()
    expect(await select({ states: ['held'] })).toEqual(['far.test A held'])
    expect(await select({ destination: textMatcher('far.test'), states: ['due'] })).toEqual(['far.test A due', 'far.test B due'])
    expect(await select({ destination: textMatcher('far.test') })).toEqual(['far.test A held', 'far.test B due'])
  })

  it('does not stumble over payloads that nobody understands', async () => {
    await fill()
    await spool.redis.hset(`${PREFIX}:far.test:A`, 'data', '"half')
    await spool.redis.hdel(`${PREFIX}:far.test:B`, 'data')
    expect(await select({ destination: textMatcher('far.test') })).toEqual(['far.test A due', 'far.test B due'])
    expect(await select({ destination: textMatcher('far.test'), sender: () => true })).toEqual([])
  })

  it('finds all that stays while a writer adds, sessions take and an errand turns the queue', async () => {
    const kept = Array.from({ length: 1500 }, (_, i) => `K${i}`)
    for (const id of kept) void spool.accept(acceptOf(id))
    await spool.accept(acceptOf('last'))
    await spool.verbs.mark('far.test', ['K700'], { verb: 'delete', who: 'me', why: '', at: 1, op: '1' })
    const session = await spool.takeSession()
    if (session === null) throw new Error('no session')
    let isOver = false
    let added = 0
    const writer = (async () => {
      while (!isOver) await spool.accept(acceptOf(`N${added++}`))
    })()
    const turner = (async () => {
      let turn = await spool.sessions.turn(session, 'errand-start', [], none)
      while (!isOver && turn.kind !== 'closed') turn = await spool.sessions.turn(session, 'errand', [], none)
    })()
    const found = new Set((await select({ id: textMatcher('K*') })).map((each) => each.split(' ')[1]))
    isOver = true
    await Promise.all([writer, turner])
    expect(kept.filter((id) => !found.has(id))).toEqual([])
    expect(added).toBeGreaterThan(0)
  })
})

describe('the shape of the queue', () => {
  it('counts by age, with rows of whatever is asked for; what is not understood is counted, too', async () => {
    await fill()
    await spool.redis.hset(`${PREFIX}:two.test:D`, 'data', '{')
    const shape = createShape({ redis: spool.redis, lanes: 1, now: () => spool.clock.now })
    const rows = async (by: Parameters<typeof shape>[0], query: Query = {}) =>
      Object.fromEntries((await shape(by, query, () => {})).map(({ key, ages }) => [key, ages.join('')]))
    expect(await rows('site')).toEqual({ 'mx.one': '1010010000', 'mx.two': '1000000000' })
    expect(await rows('class')).toMatchObject({ bulk: '0010000000' })
    expect(await rows('sender', { destination: textMatcher('far.test') })).toEqual({
      '<anna@own.test>': '1000000000',
      '<>': '0000010000',
    })
    expect(Object.keys(await rows('age'))).toEqual(['0', '2', '5'])
    expect(await rows('state')).toEqual({ due: '2010010000' })
  })
})
