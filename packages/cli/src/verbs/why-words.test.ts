/** Each reason to wait, from a real spool, in words: what the scripts decide by is what is told. */
import {
  createAdmission,
  createScheduling,
  createSessionClient,
  createVerbs,
  createWhy,
  decodeTask,
  type Grant,
} from '@sluice/spool'
import { startRedis, type TestRedis } from '@sluice/testkit'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { destinationLines, taskLines } from './why-words.ts'

const LANE = 'sluice{00}'
const DEST = 'far.test'
let server: TestRedis
let now = Date.now()
const clock = (): number => now
const redis = () => server.client
const options = () => ({ redis: redis(), lanes: 1, now: clock })

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())
beforeEach(async () => {
  await redis().flushall()
  now = Date.now()
})

const accept = (id: string, destination = DEST) =>
  createAdmission(options())({
    envelope: {
      v: 1,
      id,
      from: 'a@own.test',
      to: [{ address: `x@${destination}` }],
      sizeBytes: 5,
      body: '7bit',
      utf8: false,
      receivedAt: now,
    },
    content: { kind: 'inline', bytes: Buffer.from('hello') },
    destinations: new Map([[destination, [{ address: `x@${destination}` }]]]),
  })
const grant = (destination = DEST, over: Partial<Grant> = {}) =>
  createScheduling(options()).grant(0, destination, {
    site: 'mx.far',
    sessions: 2,
    siteSessions: 2,
    intervalUs: 0,
    siteIntervalUs: 0,
    maxAgeMs: 36_000_000,
    perSession: 3,
    class: '',
    share: 10,
    exempt: false,
    until: now + 60_000,
    ...over,
  })
const why = async (id: string, destination = DEST): Promise<string> => {
  const standing = await createWhy(options())(destination, id)
  const decoded = decodeTask((await redis().hget(`${LANE}:${destination}:${id}`, 'data')) ?? '')
  return taskLines(standing, decoded.kind === 'ok' ? decoded.value : null, 6, now).join('\n')
}
const site = (fields: Record<string, string | number>) => redis().hset(`${LANE}:site:mx.far`, fields)
const sessions = () =>
  createSessionClient({ redis: redis(), now: clock, random: () => 0.5, historyMax: 10, historyKeepMs: 60_000 })
/** A session taken by hand. */
const open = async (destination = DEST) => {
  await createScheduling(options()).wake(0, 100)
  const [id] = await redis().smembers(`${LANE}:sessions:${destination}`)
  if (id === undefined) throw new Error('no session is open')
  await redis().lrem(`${LANE}:delivery:wait`, 1, id)
  await redis().lpush(`${LANE}:delivery:active`, id)
  await redis().hset(`${LANE}:delivery:${id}`, 'ats', 1)
  await redis().set(`${LANE}:delivery:${id}:lock`, 't')
  return { lane: 0, destination, id, token: 't', run: 1 }
}

it('no spooler, a hold with its who and why, and nothing', async () => {
  await accept('A')
  await accept('B')
  expect(await why('B')).toContain('due, in line, number 2 of 2; it waits because:\n  no spooler permits it')
  await grant()
  expect(await why('A')).toContain('due, in line, number 1 of 2; a session opens within moments')
  await createVerbs(options()).hold(DEST, { who: 'anna', why: 'they move house' })
  expect(await why('A')).toMatch(/the destination is held by anna since .*: they move house/)
  now += 61_000
  await createVerbs(options()).release(DEST)
  expect(await why('A')).toContain('no spooler permits it')
})

it('a site that does not answer, one that a rule paused, one that somebody suspended, one that is treated gently', async () => {
  await accept('A')
  await grant()
  await site({ failures: 4, until: now + 90_000, reason: 'connection refused' })
  expect(await why('A')).toMatch(
    /its site mx\.far did not answer and is left alone until .* \(in 2 min\); .*: connection refused/,
  )
  await redis().del(`${LANE}:site:mx.far`)
  await site({ pausedUntil: now + 600_000, pauseReason: 'rule gmail-421: too many connections' })
  expect(await why('A')).toMatch(/its site mx\.far is paused until .* \(in 10 min\) by rule gmail-421: too many connections/)
  await createVerbs(options()).suspend('mx.far', now + 7_200_000, 'suspended by anna: they asked')
  expect(await why('A')).toMatch(/its site mx\.far is suspended by anna: they asked; until .* \(in 2 h\)/)
  await createVerbs(options()).suspend('mx.far', Date.UTC(9999, 0), 'suspended by anna')
  expect(await why('A')).toContain('is suspended by anna; until `sluice resume`')
  await createVerbs(options()).resume('mx.far')
  await site({ curbUntil: now + 60_000, curbConnections: 1, curbReason: 'rule busy: 4.7.0', curbStepMs: 1000 })
  expect(await why('A')).toMatch(/its site mx\.far is treated gently until .*\(rule busy: 4\.7\.0\): 1 connection at once/)
})

it('connections of the site and of the destination, agents that are busy, and the work of a session', async () => {
  await grant('one.test', { siteSessions: 1 })
  await grant(DEST, { siteSessions: 1, sessions: 1 })
  await accept('A', 'one.test')
  await accept('B')
  expect(await why('B')).toContain(
    'all connections to its site mx.far are in use: 1 of 1; it is number 1 of 1 destinations that wait for one',
  )
  expect(await why('A', 'one.test')).toMatch(
    /its session waits for a delivery-agent: 1 session in line, the first for .*; agents are busy, or none runs/,
  )
  const session = await open('one.test')
  expect((await sessions().turn(session, 'start', [], { kind: 'none' })).kind).toBe('task')
  expect(await why('A', 'one.test')).toMatch(new RegExp(`in transmission by session ${session.id} since `))
  await accept('C', 'one.test')
  await grant('one.test', { sessions: 1 })
  expect(await why('C', 'one.test')).toContain('all connections of the destination are in use: 1 of 1')
  await site({ failures: 3, until: now - 1 })
  expect(await why('B')).toContain('its site mx.far is on probation after 3 failures: one connection at a time, and it is in use')
})

it('the rate of the destination, and the cap on the gateway', async () => {
  await accept('A')
  await grant(DEST, { intervalUs: 60_000_000 })
  const later = String((Date.now() + 45_000) * 1000)
  await redis().hset(`${LANE}:grant:${DEST}`, 'tat', later)
  expect(await why('A')).toMatch(/the rate of its destination or site: the next free moment is .*\(in 4\d s\)/)
  await grant(DEST, { intervalUs: 0 })
  await redis().hset(`${LANE}:gateway`, 'intervalUs', 60_000_000, 'tat', later)
  expect(await why('A')).toMatch(/the cap on the whole gateway \(spooler\.rate\): the next free moment is .*\(in 4\d s\)/)
})

it('the next attempt and why, a hold of its own, a mark, what is parked, and a task that has left', async () => {
  await accept('A')
  await grant()
  const session = await open()
  const turn = await sessions().turn(session, 'start', [], { kind: 'none' })
  const decoded = turn.kind === 'task' ? decodeTask(turn.task.data) : null
  if (decoded?.kind !== 'ok') throw new Error('no task')
  const attempts = [{ n: 1, at: now, host: 'mx.far.test', stage: 'rcpt' as const, reply: '450 4.2.0 greylisted' }]
  const defer = { kind: 'defer', task: { ...decoded.value, attempts }, at: now + 7_200_000, transcript: Buffer.alloc(0) } as const
  await sessions().turn(session, 'run', [defer], { kind: 'ok' })
  expect(await why('A')).toMatch(
    /^attempt 2 of 6 is planned for .* \(in 2 h\), because of the last one \(mx\.far\.test, rcpt\): 450 4\.2\.0 greylisted$/,
  )
  const mark = { who: 'anna', why: 'spam', at: now, op: '1' }
  await createVerbs(options()).mark(DEST, ['A'], { ...mark, verb: 'hold' })
  expect(await why('A')).toMatch(/^held by anna since .*: spam; until `sluice release`$/)
  await createVerbs(options()).mark(DEST, ['A'], { ...mark, verb: 'bounce' })
  expect(await why('A')).toMatch(/^marked to be bounced by anna since .*: spam; a delivery-agent sees to it$/)
  expect(await why('gone')).toBe('it has left the queue this moment')
  await accept('B')
  const second = await open()
  const taken = await sessions().turn(second, 'start', [], { kind: 'none' })
  if (taken.kind !== 'task') throw new Error(taken.kind)
  const park = { kind: 'park', id: taken.task.id, reason: 'the content is missing', task: null } as const
  await sessions().turn(second, 'close', [park], { kind: 'none' })
  expect(await why(taken.task.id)).toBe('parked: the content is missing')
  expect(destinationLines(await createWhy(options())(DEST), now).join('\n')).toMatch(
    /1 due, 0 in hand, 0 later, 1 parked; 1 session\nsite mx\.far: 1 of 2 connections in use\nits session waits/,
  )
})
