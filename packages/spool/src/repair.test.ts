import { beforeEach, describe, expect, it } from 'vitest'
import { createTidying } from './index.ts'
import { acceptOf, PREFIX, useSpool } from './test-support/spool.ts'

const spool = useSpool()
beforeEach(async () => {
  await spool.grant()
  await spool.accept(acceptOf('A'))
  await spool.scheduling.wake(0, 100)
})
const repair = () => spool.scheduling.repair(0, 'far.test')
const take = async () => {
  const session = await spool.takeSession()
  if (session === null) throw new Error('no session')
  await spool.sessions.turn(session, 'start', [], { kind: 'none' })
  return session
}

describe('repair', () => {
  it('finds nothing to do in a whole spool', async () => {
    await take()
    expect(await repair()).toEqual({ tasks: 0, sessions: 0, permits: 0, due: 0, errands: 0 })
  })

  it('gives back a task whose session is gone, and the session’s permit', async () => {
    const session = await take()
    await spool.redis.del(`${PREFIX}:delivery:${session.id}`, `${PREFIX}:delivery:${session.id}:lock`)
    expect(await repair()).toMatchObject({ tasks: 1, sessions: 1, permits: 1 })
    expect(await spool.verbs.queue()).toMatchObject([{ delayed: 1, active: 0, sessions: 0 }])
    spool.clock.now += 61_000
    await spool.grant()
    await spool.scheduling.wake(0, 100)
    expect(await spool.redis.llen(`${PREFIX}:far.test:wait`)).toBe(1)
  })

  it('has a destination looked at again that no index names any more', async () => {
    await spool.redis.del(`${PREFIX}:due`, `${PREFIX}:sessions:far.test`, `${PREFIX}:permits:far.test`)
    expect(await repair()).toMatchObject({ due: 1 })
    expect(await spool.redis.zscore(`${PREFIX}:due`, 'far.test')).toBe(String(spool.clock.now))
  })

  it('opens another session for what the postmaster marked when the one that looked is gone', async () => {
    const mark = { verb: 'delete', who: 'me', why: '', at: spool.clock.now, op: '1' } as const
    await spool.verbs.mark('far.test', ['A'], mark)
    const looker = await spool.redis.hget(`${PREFIX}:errands:far.test`, 'session')
    await spool.redis.del(`${PREFIX}:delivery:${looker}`)
    expect(await repair()).toMatchObject({ errands: 1 })
    expect(await repair()).toMatchObject({ errands: 0 })
    expect(await spool.redis.hget(`${PREFIX}:errands:far.test`, 'session')).not.toBe(looker)
  })
})

describe('stored contents', () => {
  it('are needed while a task of theirs is there, and by nobody after a crash took the rest', async () => {
    const tidying = createTidying({ redis: spool.redis, lanes: 1 })
    const ref = { store: 'redis', lane: 0, chunks: 2 } as const
    await spool.accept(acceptOf('B', 'far.test', { content: { kind: 'stored', ref, sizeBytes: 9 } }))
    expect(await tidying.isNeeded('B', ref)).toBe(true)
    await spool.redis.del(`${PREFIX}:far.test:B`)
    expect(await tidying.isNeeded('B', ref)).toBe(false)
    expect(await spool.redis.exists(`${PREFIX}:needs:B`)).toBe(0)
    expect(await tidying.isNeeded('nobody', ref)).toBe(false)
  })
})
