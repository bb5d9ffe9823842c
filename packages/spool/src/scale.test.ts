/** What Redis is asked for must not grow with what cannot be helped by asking: no grant, busy agents, permits in use. */
import { describe, expect, it } from 'vitest'
import { acceptOf, PREFIX, useSpool } from './test-support/spool.ts'

const spool = useSpool()

const dueIn = async (destination: string): Promise<number> =>
  Number(await spool.redis.zscore(`${PREFIX}:due`, destination)) - spool.clock.now
const crowd = (sessions: number): Promise<number> =>
  spool.redis.lpush(`${PREFIX}:delivery:wait`, ...Array.from({ length: sessions }, (_, i) => `other${i}`))

describe('looking again', () => {
  it('at a destination without a grant happens after a while, not at once; its grant makes it due', async () => {
    await spool.accept(acceptOf('A'))
    expect(await spool.scheduling.wake(0, 100)).toEqual({ looked: 1, ungranted: ['far.test'] })
    expect(await spool.scheduling.wake(0, 100)).toEqual({ looked: 0, ungranted: [] })
    await spool.grant()
    expect(await spool.scheduling.wake(0, 100)).toMatchObject({ looked: 1 })
    expect(await spool.takeSession()).not.toBeNull()
  })

  it('is rarer the more sessions wait for agents, and opens none that would only wait with them', async () => {
    await spool.grant()
    for (const id of ['A', 'B', 'C']) await spool.accept(acceptOf(id))
    const session = await spool.takeSession()
    if (session === null) throw new Error('no session is open')
    await spool.sessions.turn(session, 'start', [], { kind: 'none' })
    await crowd(10_000)
    spool.clock.now += 600
    await spool.scheduling.wake(0, 100)
    expect(await spool.redis.scard(`${PREFIX}:sessions:far.test`)).toBe(1)
    expect(await dueIn('far.test')).toBeGreaterThanOrEqual(5000)
  })

  it('opens no more sessions than mail waits for, however long they wait for an agent', async () => {
    await spool.grant()
    for (const id of ['A', 'B']) await spool.accept(acceptOf(id))
    for (let i = 0; i < 6; i++) {
      spool.clock.now += 600
      await spool.scheduling.wake(0, 100)
    }
    expect(await spool.redis.scard(`${PREFIX}:sessions:far.test`)).toBe(2)
  })

  it('is rarer the more destinations want a permit of the same site', async () => {
    for (const name of ['one.test', 'two.test']) await spool.grant(name, { site: 'mx', siteSessions: 1 })
    const wants = Array.from({ length: 8000 }, (_, i) => [spool.clock.now, `d${i}.test`]).flat()
    await spool.accept(acceptOf('A', 'one.test'))
    await spool.redis.zadd(`${PREFIX}:wants:mx`, ...wants)
    await spool.redis.del(`${PREFIX}:due`)
    await spool.accept(acceptOf('A', 'two.test'))
    expect(await dueIn('two.test')).toBeGreaterThanOrEqual(4000)
  })
})
