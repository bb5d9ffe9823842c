import { expect, it } from 'vitest'
import { type AuditNote, createAudit, createAuditFollower } from './index.ts'
import { PREFIX, useSpool } from './test-support/spool.ts'

const spool = useSpool()
const noteOf = (op: string): AuditNote => ({ op, verb: 'delete', who: 'anna', why: 'spam', query: `--id ${op}` })

it('keeps who did what, and shows a command that was broken off as one without an end', async () => {
  const audit = createAudit({ redis: spool.redis, now: () => spool.clock.now })
  await audit.begin(noteOf('one'))
  await audit.begin(noteOf('two'))
  spool.clock.now += 1000
  await audit.end(noteOf('one'), 7)
  const entries = await audit.entries(10)
  expect(entries.map(({ op, count }) => [op, count])).toEqual([
    ['one', 7],
    ['two', null],
  ])
  expect(entries[0]).toMatchObject({ who: 'anna', why: 'spam', query: '--id one', at: spool.clock.now - 1000 })
  expect(await audit.entries(1)).toHaveLength(1)
})

it('is bounded, and written when Redis is out of memory, too', async () => {
  const audit = createAudit({ redis: spool.redis, now: () => spool.clock.now })
  await spool.redis.config('SET', 'maxmemory', '1')
  try {
    await audit.begin(noteOf('full'))
    // So are the verbs that make room.
    await spool.verbs.hold('far.test')
    expect(await spool.verbs.release('far.test')).toBe(true)
    expect(await spool.verbs.suspend('mx', spool.clock.now + 1, 'x')).toBe(true)
  } finally {
    await spool.redis.config('SET', 'maxmemory', '0')
  }
  for (let i = 0; i < 11_000; i += 500) await Promise.all(Array.from({ length: 500 }, (_, n) => audit.begin(noteOf(`${i + n}`))))
  expect(await spool.redis.xlen(`${PREFIX}:audit`)).toBeLessThan(10_500)
})

it('is told to one of all followers once, when a command has ended', async () => {
  const audit = createAudit({ redis: spool.redis, now: () => spool.clock.now })
  const follow = createAuditFollower({ redis: spool.redis })
  expect(await follow(10)).toEqual([])
  await audit.begin(noteOf('one'))
  await audit.end(noteOf('one'), 3)
  const [a, b] = await Promise.all([follow(10), createAuditFollower({ redis: spool.redis })(10)])
  expect([...a, ...b]).toMatchObject([{ op: 'one', verb: 'delete', count: 3 }])
  expect(await follow(10)).toEqual([])
})
