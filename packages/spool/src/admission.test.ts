import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { createAdmission, decodeIntake, decodeTask, StoreError } from './index.ts'
import { acceptOf, envelopeOf, PREFIX, useSpool } from './test-support/spool.ts'

const spool = useSpool()

const two = (id: string) => {
  const to = [{ address: 'b@one.test' }, { address: 'c@two.test' }]
  const destinations = new Map([
    ['one.test', [to[0]!]],
    ['two.test', [to[1]!]],
  ])
  return acceptOf(id, 'one.test', { envelope: envelopeOf(id, { to }), destinations })
}

describe('admission', () => {
  it('R-250: task and content come by one write, in order, and many at once are admitted exactly once', async () => {
    await Promise.all(Array.from({ length: 500 }, (_, i) => spool.accept(acceptOf(`M${i}`))))
    expect(await spool.redis.llen(`${PREFIX}:far.test:wait`)).toBe(500)
    const decoded = decodeTask((await spool.redis.hget(`${PREFIX}:far.test:M7`, 'data')) ?? '')
    expect(decoded).toMatchObject({ kind: 'ok', value: { id: 'M7', content: { store: 'inline' } } })
    expect(await spool.redis.get(`${PREFIX}:far.test:M7:content`)).toBe('hello')
    expect((await spool.redis.lrange(`${PREFIX}:far.test:wait`, -2, -1)).reverse()).toEqual(['M0', 'M1'])
  })

  it('R-250: piles up behind the call in flight: far fewer calls than messages', async () => {
    await spool.redis.config('RESETSTAT')
    await Promise.all(Array.from({ length: 400 }, (_, i) => spool.accept(acceptOf(`M${i}`))))
    const stats = await spool.redis.info('commandstats')
    const calls = Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1])
    expect(calls).toBeLessThanOrEqual(4)
  })

  it('R-250: several destinations become one intake job with the content beside it, by one write', async () => {
    await spool.accept(two('M'))
    const decoded = decodeIntake((await spool.redis.hget(`${PREFIX}:intake:M`, 'data')) ?? '')
    expect(decoded).toMatchObject({
      kind: 'ok',
      value: {
        content: { store: 'redis', lane: 0, chunks: 1 },
        destinations: [{ destination: 'one.test' }, { destination: 'two.test' }],
      },
    })
    expect(await spool.redis.get(`${PREFIX}:content:M:0`)).toBe('hello')
    expect((await spool.redis.smembers(`${PREFIX}:needs:M`)).sort()).toEqual(['one.test', 'two.test'])
  })

  it('once: a writer that runs again after a crash adds nothing, even when the first was delivered meanwhile', async () => {
    await spool.accept(acceptOf('N', 'far.test', { once: true }))
    await spool.redis.del(`${PREFIX}:far.test:N`, `${PREFIX}:far.test:wait`)
    await spool.accept(acceptOf('N', 'far.test', { once: true }))
    expect(await spool.redis.exists(`${PREFIX}:far.test:N`)).toBe(0)
  })

  it('R-451: out of memory is refused, and nothing is stored', async () => {
    await spool.redis.config('SET', 'maxmemory', '1mb')
    const error = await spool.accept(acceptOf('M')).catch((cause: unknown) => cause)
    await spool.redis.config('SET', 'maxmemory', '1gb')
    expect(error).toBeInstanceOf(StoreError)
    expect((error as StoreError).fate).toBe('refused')
    expect(await spool.redis.keys(`${PREFIX}:far.test*`)).toEqual([])
  })

  it('R-full: at the end of its memory Redis still settles and hands out', async () => {
    await spool.grant()
    await spool.accept(acceptOf('M'))
    const session = await spool.takeSession()
    await spool.redis.config('SET', 'maxmemory', '1mb')
    try {
      if (session === null) throw new Error('no session')
      const turn = await spool.sessions.turn(session, 'start', [], { kind: 'none' })
      expect(turn.kind).toBe('task')
      const end = await spool.sessions.turn(session, 'run', [{ kind: 'finish', id: 'M', history: 'x' }], { kind: 'ok' })
      expect(end).toEqual({ kind: 'closed', why: 'empty' })
    } finally {
      await spool.redis.config('SET', 'maxmemory', '1gb')
    }
  })

  it('R-451: while Redis is away nothing is sent, later or ever', async () => {
    const own = new Redis(spool.server.url, {
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
    })
    own.on('error', () => {})
    await new Promise((resolve) => own.once('ready', resolve))
    const accept = createAdmission({ redis: own, lanes: 1, now: Date.now })
    await spool.server.kill()
    while (own.status === 'ready') await sleep(5)
    const error = await accept(acceptOf('M')).catch((cause: unknown) => cause)
    expect((error as StoreError).fate).toBe('refused')
    await spool.server.start()
    while ((own.status as string) !== 'ready') await sleep(5)
    expect(await spool.redis.exists(`${PREFIX}:far.test:M`)).toBe(0)
    await accept(acceptOf('M2'))
    expect(await spool.redis.exists(`${PREFIX}:far.test:M2`)).toBe(1)
    own.disconnect()
  })
})
