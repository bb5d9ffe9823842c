/** Verbs on many messages must not keep Redis: others are served in between, every few milliseconds. */
import { expect, it } from 'vitest'
import { createSelection, createShape } from './index.ts'
import { acceptOf, PREFIX, useSpool } from './test-support/spool.ts'

const COUNT = 50_000
const USUAL_US = 3000
const MOST_US = 15_000

const spool = useSpool()

it('counts, marks, holds, retries and executes on 50,000 messages, and no call of it keeps Redis for 15 ms', async () => {
  const task = JSON.stringify({ ...acceptOf('X').envelope, content: { store: 'inline' }, attempts: [] })
  for (let i = 0; i < COUNT; i += 1000) {
    const pipeline = spool.redis.pipeline()
    for (let n = i; n < i + 1000; n++) {
      pipeline.hset(`${PREFIX}:far.test:M${n}`, {
        name: 'task',
        data: task.replace('"X"', `"M${n}"`),
        timestamp: 1,
        delay: 0,
        priority: 0,
      })
      pipeline.zadd(`${PREFIX}:far.test:delayed`, (spool.clock.now + 3_600_000 + n) * 0x1000, `M${n}`)
    }
    await pipeline.exec()
  }
  await spool.redis.sadd(`${PREFIX}:destinations`, 'far.test')
  await spool.redis.config('RESETSTAT')

  const shape = createShape({ redis: spool.redis, lanes: 1, now: () => spool.clock.now })
  expect(await shape('sender', {}, () => {})).toMatchObject([{ key: '<a@sender.test>', count: COUNT }])
  const ids: string[] = []
  for await (const some of createSelection({ redis: spool.redis, lanes: 1 }).tasks({ sender: () => true }))
    ids.push(...some.map(({ id }) => id))
  expect(ids).toHaveLength(COUNT)
  const mark = { who: 'me', why: '', at: spool.clock.now }
  expect(await spool.verbs.mark('far.test', ids.slice(0, 20_000), { ...mark, verb: 'hold', op: '1' })).toMatchObject({
    done: 20_000,
  })
  expect(await spool.verbs.retry('far.test')).toBe(COUNT - 20_000)
  // In the midst of what is due now: one of a thousand.
  const chosen = ids.slice(20_000).filter((_, i) => i % 1000 === 0)
  expect(await spool.verbs.mark('far.test', chosen, { ...mark, verb: 'delete', op: '2' })).toMatchObject({ done: 30 })
  const session = await spool.takeSession()
  if (session === null) throw new Error('no session is open')
  let deleted = 0
  for (let turn = await spool.sessions.turn(session, 'errand-start', [], { kind: 'none' }); turn.kind !== 'closed'; ) {
    const done = turn.kind === 'recovered' ? turn.tasks.map(({ id }) => ({ kind: 'finish', id, history: '' }) as const) : []
    deleted += done.length
    turn = await spool.sessions.turn(session, 'errand', done, { kind: 'none' })
  }
  expect(deleted).toBe(30)
  expect(await spool.verbs.queue()).toMatchObject([{ waiting: COUNT - 20_000 - 30, parked: 20_000 }])
  // Wall clock: a busy machine takes the processor away in the midst of a call now and then, so the worst hundredth is left out.
  const stats = await spool.redis.info('latencystats')
  const [, p50, p99] = /latency_percentiles_usec_evalsha:p50=([\d.]+),p99=([\d.]+)/.exec(stats) ?? []
  expect(Number(p50)).toBeLessThan(USUAL_US)
  expect(Number(p99)).toBeLessThan(MOST_US)
}, 120_000)
