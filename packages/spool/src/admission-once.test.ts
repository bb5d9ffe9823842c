import type { Recipient } from '@sluice/contracts'
import { expect, it } from 'vitest'
import { acceptOf, PREFIX, useSpool } from './test-support/spool.ts'

const spool = useSpool()

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
