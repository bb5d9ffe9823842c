import { expect, it } from 'vitest'
import { createSessionsWanted } from './index.ts'
import { acceptOf, PREFIX, useSpool } from './test-support/spool.ts'

const spool = useSpool()
const wanted = () => createSessionsWanted({ redis: spool.redis, lanes: 1, now: () => spool.clock.now })()

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
