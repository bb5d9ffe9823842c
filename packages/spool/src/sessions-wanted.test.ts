import { expect, it } from 'vitest'
import { createSessionsWanted } from './index.ts'
import { acceptOf, PREFIX, useSpool } from './test-support/spool.ts'

const spool = useSpool()
const wantedIn = (lanes: number) => createSessionsWanted({ redis: spool.redis, lanes, now: () => spool.clock.now })()
const wanted = async () => (await wantedIn(1))[0]

it('sessions that are open or wait with a permit are wanted; no backlog, and nothing that no limit permits', async () => {
  expect(await wanted()).toEqual({ open: 0, waiting: 0 })
  for (const name of ['one.test', 'two.test', 'three.test']) await spool.grant(name, { site: 'mx', siteSessions: 2 })
  for (const name of ['one.test', 'two.test', 'three.test'])
    for (let i = 0; i < 50; i++) await spool.accept(acceptOf(`${name[0]}${i}`, name))
  expect(await wanted()).toEqual({ open: 0, waiting: 2 })
  expect(await spool.takeSession()).not.toBeNull()
  expect(await wanted()).toEqual({ open: 1, waiting: 1 })
})

it('sessions that woke without a permit count as one, be they promoted or still to be', async () => {
  const sleeping = Array.from({ length: 300 }, (_, i) => `s${i}`)
  const data = JSON.stringify({ destination: 'far.test' })
  for (const id of sleeping) await spool.redis.hset(`${PREFIX}:delivery:${id}`, 'data', data)
  await spool.grant()
  const at = (ms: number) => (spool.clock.now + ms) * 0x1000
  await spool.redis.zadd(`${PREFIX}:delivery:delayed`, ...sleeping.flatMap((id) => [at(10_000), id]))
  expect(await wanted()).toEqual({ open: 0, waiting: 0 })
  await spool.redis.zadd(`${PREFIX}:delivery:delayed`, ...sleeping.flatMap((id) => [at(-1000), id]))
  expect(await wanted()).toEqual({ open: 0, waiting: 1 })
  await spool.redis.del(`${PREFIX}:delivery:delayed`)
  await spool.redis.lpush(`${PREFIX}:delivery:wait`, ...sleeping)
  expect(await wanted()).toEqual({ open: 0, waiting: 1 })
  await spool.redis.zadd(`${PREFIX}:permits:far.test`, 1, 's7', 1, 's8')
  expect(await wanted()).toEqual({ open: 0, waiting: 3 })
})

it('of very many that wait, those that are taken next tell of the others', async () => {
  const ids = Array.from({ length: 4000 }, (_, i) => `s${i}`)
  const filling = spool.redis.pipeline()
  for (const id of ids) filling.hset(`${PREFIX}:delivery:${id}`, 'data', JSON.stringify({ destination: 'far.test' }))
  await filling.exec()
  await spool.grant()
  await spool.redis.lpush(`${PREFIX}:delivery:wait`, ...ids)
  await spool.redis.zadd(`${PREFIX}:permits:far.test`, ...ids.filter((_, i) => i % 4 === 0).flatMap((id) => [1, id]))
  expect(await wanted()).toEqual({ open: 0, waiting: 1001 })
})

it('each lane tells of its own', async () => {
  await spool.redis.lpush('sluice{01}:delivery:active', 's1', 's2')
  await spool.redis.lpush('sluice{02}:delivery:active', 's3')
  expect(await wantedIn(3)).toEqual([
    { open: 0, waiting: 0 },
    { open: 2, waiting: 0 },
    { open: 1, waiting: 0 },
  ])
})

it('a session that lingers wants nothing until it has a task again, and what a dead agent left in its list changes nothing', async () => {
  for (const name of ['one.test', 'two.test']) {
    await spool.grant(name)
    await spool.accept(acceptOf(name, name))
  }
  await spool.scheduling.wake(0, 100)
  const [first, second] = [await spool.takeSession(), await spool.takeSession()]
  if (first === null || second === null) throw new Error('two sessions are open')
  const none = { kind: 'none' } as const
  for (const each of [first, second]) await spool.sessions.turn(each, 'start', [], none)
  const done = [{ kind: 'finish' as const, id: first.destination, history: '' }]
  expect(await spool.sessions.turn(first, 'linger a1', done, { kind: 'ok' })).toMatchObject({ kind: 'linger' })
  await spool.redis.lpush(`${PREFIX}:lingering:${second.destination}`, 'gone s0', 'gone s1')
  expect(await wanted()).toEqual({ open: 1, waiting: 0 })
  await spool.accept(acceptOf('B', first.destination))
  expect(await spool.sessions.turn(first, 'resume a1', [], none)).toMatchObject({ kind: 'task' })
  expect(await wanted()).toEqual({ open: 2, waiting: 0 })
})
