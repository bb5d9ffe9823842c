import type { Recipient } from '@sluice/contracts'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { acceptOf, PREFIX, startSpool, type TestSpool } from './test-support/spool.ts'

let spool: TestSpool
beforeAll(async () => {
  spool = await startSpool()
  await spool.redis.ping()
})
afterAll(() => spool.stop())

it('R-one-notice: a message for several destinations that may be admitted once is not taken again after its tasks were made', async () => {
  const destinations = new Map<string, Recipient[]>([
    ['one.test', [{ address: 'b@one.test' }]],
    ['two.test', [{ address: 'c@two.test' }]],
  ])
  const intake = `${PREFIX}:intake`
  for (const [id, once] of [['N', true] as const, ['M', false] as const]) {
    await spool.accept(acceptOf(id, '', { destinations, once }))
    expect(await spool.redis.lpop(`${intake}:wait`)).toBe(id)
    await spool.redis.del(`${intake}:${id}`)
    await spool.accept(acceptOf(id, '', { destinations, once }))
    expect(await spool.redis.lpop(`${intake}:wait`)).toBe(once ? null : id)
  }
})
