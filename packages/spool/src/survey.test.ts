import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { acceptOf, PREFIX, startSpool, type TestSpool } from './test-support/spool.ts'

/** A Redis that is a node of a cluster, the only one, with all slots: it refuses a script that leaves its lane's. */
let spool: TestSpool
beforeAll(async () => {
  spool = await startSpool(['--cluster-enabled', 'yes'])
  await spool.redis.cluster('ADDSLOTSRANGE', 0, 16383)
  await vi.waitFor(async () => expect(await spool.redis.cluster('INFO')).toContain('cluster_state:ok'), 10_000)
})
afterAll(() => spool.stop())

/** All keys, a few at a time. */
const survey = async (untouchedMs = 0) => {
  const sum = { destinations: 0, contents: 0, removed: 0 }
  let calls = 0
  for (let cursor = '0'; ; calls++) {
    const { cursor: next, ...found } = await spool.scheduling.survey(0, cursor, 10, untouchedMs)
    for (const kind of ['destinations', 'contents', 'removed'] as const) sum[kind] += found[kind]
    cursor = next
    if (cursor === '0') return { ...sum, calls }
  }
}

describe('a survey of all keys', () => {
  it('in a cluster, too, finds nothing to do in a whole spool, and looks at it a few keys at a time', async () => {
    for (let i = 0; i < 20; i++) await spool.accept(acceptOf(`M${i}`, `d${i}.test`))
    await spool.redis.set('sluice{01}:far.test:M:content', 'another lane’s')
    const { calls, ...found } = await survey()
    expect(found).toEqual({ destinations: 0, contents: 0, removed: 0 })
    expect(calls).toBeGreaterThan(3)
  })

  it('enters what no index names, once, and takes nothing of the spool’s own for a destination', async () => {
    await spool.redis.del(`${PREFIX}:destinations`, `${PREFIX}:due`)
    await spool.redis.set(`${PREFIX}:content:X:0`, 'piece')
    await spool.redis.sadd(`${PREFIX}:sessions:active`, '1')
    expect(await survey()).toMatchObject({ destinations: 20, contents: 1, removed: 0 })
    expect(await spool.redis.scard(`${PREFIX}:destinations`)).toBe(20)
    expect(await spool.redis.zcard(`${PREFIX}:due`)).toBe(20)
    expect(await survey()).toMatchObject({ destinations: 0, contents: 0, removed: 0 })
  })

  it('removes what lies beside a task that is gone, once nobody has touched it for so long', async () => {
    await spool.redis.del(`${PREFIX}:d0.test:M0`)
    expect(await survey(60_000)).toMatchObject({ removed: 0 })
    expect(await survey()).toMatchObject({ removed: 1 })
    expect(await spool.redis.exists(`${PREFIX}:d0.test:M0:content`)).toBe(0)
    expect(await spool.redis.exists(`${PREFIX}:d1.test:M1:content`)).toBe(1)
  })
})
