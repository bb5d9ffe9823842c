/** The script `mark`, and the sessions that go for marked tasks: on a real Redis, with the agent's part played by hand. */
import type { Mark, MarkVerb } from '@sluice/contracts'
import { describe, expect, it } from 'vitest'
import { createReroute, createTrace, decodeTask, packTranscript, type SessionKey } from './index.ts'
import { acceptOf, envelopeOf, PREFIX, useSpool } from './test-support/spool.ts'

const spool = useSpool()
const none = { kind: 'none' } as const
const markOf = (verb: MarkVerb, over: Partial<Mark> = {}): Mark => ({
  verb,
  who: 'anna@desk',
  why: 'because',
  at: spool.clock.now,
  op: 'op1',
  ...over,
})
const mark = (verb: MarkVerb, ids: string[], over: Partial<Mark> = {}) => spool.verbs.mark('far.test', ids, markOf(verb, over))
const trace = async (id: string) => (await createTrace({ redis: spool.redis, lanes: 1 })(id))?.tasks[0]
const key = (rest: string): string => `${PREFIX}:far.test:${rest}`

const accept = async (...ids: string[]) => {
  for (const id of ids) await spool.accept(acceptOf(id))
}
const open = async (): Promise<SessionKey> => {
  const session = await spool.takeSession()
  if (session === null) throw new Error('no session is open')
  return session
}
/** Delivers what is not wanted here: puts a task off, as a far end would. */
const putOff = async (id: string, at: number) => {
  await spool.grant()
  await spool.scheduling.wake(0, 100)
  const session = await open()
  const turn = await spool.sessions.turn(session, 'start', [], none)
  if (turn.kind !== 'task' || turn.task.id !== id) throw new Error(`expected ${id}, got ${JSON.stringify(turn)}`)
  const decoded = decodeTask(turn.task.data)
  if (decoded.kind !== 'ok') throw new Error(decoded.reason)
  const attempts = [{ n: 1, at: 1, host: null, stage: 'rcpt' as const, reply: '450' }]
  const task = { ...decoded.value, attempts }
  await spool.sessions.turn(session, 'close', [{ kind: 'defer', task, at, transcript: packTranscript(['S: 450 later']) }], none)
}

describe('mark', () => {
  it('has an errand session take what is marked in the midst of a queue, and leaves the rest in its order', async () => {
    await accept(...Array.from({ length: 450 }, (_, i) => `T${i}`))
    expect(await mark('delete', ['T7', 'T300', 'T449', 'gone'])).toEqual({ done: 3, already: 0, gone: 1 })
    const session = await open()
    const taken: string[] = []
    let turn = await spool.sessions.turn(session, 'errand-start', [], none)
    while (turn.kind !== 'closed') {
      const ids = turn.kind === 'recovered' ? turn.tasks.map(({ id }) => id) : []
      taken.push(...ids)
      const settlements = ids.map((id) => ({ kind: 'finish', id, history: '' }) as const)
      turn = await spool.sessions.turn(session, 'errand', settlements, none)
    }
    expect(taken.sort()).toEqual(['T300', 'T449', 'T7'])
    const left = await spool.redis.lrange(key('wait'), 0, -1)
    expect(left).toHaveLength(447)
    expect(left.map((id) => Number(id.slice(1)))).toEqual(left.map((id) => Number(id.slice(1))).sort((a, b) => b - a))
    expect(await spool.redis.keys(`${PREFIX}:errands:*`)).toEqual([])
    expect(await spool.redis.keys(key('T300*'))).toEqual([])
  })

  it('works on held destinations, and without a grant', async () => {
    await accept('A')
    await spool.verbs.hold('far.test')
    await mark('bounce', ['A'])
    const turn = await spool.sessions.turn(await open(), 'errand-start', [], none)
    expect(turn).toMatchObject({
      kind: 'recovered',
      tasks: [{ id: 'A', verb: expect.stringContaining('"bounce"'), attempts: 1 }],
    })
  })

  it('is done by an ordinary session, too, which comes upon a marked task', async () => {
    await spool.grant()
    await accept('A')
    await spool.scheduling.wake(0, 100)
    const session = await open()
    await mark('delete', ['A'])
    const turn = await spool.sessions.turn(session, 'start', [], none)
    expect(turn).toMatchObject({ kind: 'task', task: { id: 'A', verb: expect.stringContaining('anna@desk') } })
  })

  it('waits for a task in hand, and takes it when it is put off', async () => {
    await spool.grant()
    await accept('A')
    await spool.scheduling.wake(0, 100)
    const session = await open()
    const turn = await spool.sessions.turn(session, 'start', [], none)
    if (turn.kind !== 'task') throw new Error(turn.kind)
    expect(await mark('bounce', ['A'])).toEqual({ done: 1, already: 0, gone: 0 })
    const decoded = decodeTask(turn.task.data)
    if (decoded.kind !== 'ok') throw new Error(decoded.reason)
    const defer = { kind: 'defer', task: decoded.value, at: spool.clock.now + 9000, transcript: Buffer.alloc(0) } as const
    await spool.sessions.turn(session, 'close', [defer], none)
    expect(await spool.redis.zcard(key('delayed'))).toBe(0)
    expect(await spool.sessions.turn(await open(), 'errand-start', [], none)).toMatchObject({ tasks: [{ id: 'A' }] })
  })

  it('keeps the first mark when it is given twice, and takes another while nobody is at it', async () => {
    await accept('A')
    await mark('reroute', ['A'], { to: 'there', op: 'one' })
    expect(await mark('reroute', ['A'], { to: 'there', op: 'two' })).toEqual({ done: 0, already: 1, gone: 0 })
    expect((await trace('A'))?.marked).toMatchObject({ verb: 'reroute', to: 'there', op: 'one' })
    expect(await mark('bounce', ['A'])).toMatchObject({ done: 1 })
    await spool.sessions.turn(await open(), 'errand-start', [], none)
    expect(await mark('delete', ['A'])).toEqual({ done: 0, already: 1, gone: 0 })
    expect((await trace('A'))?.deeds.map(({ verb }) => verb)).toEqual(['reroute', 'bounce'])
  })

  it('goes on with another session when the agent stops', async () => {
    await accept(...Array.from({ length: 250 }, (_, i) => `T${i}`))
    await mark('delete', ['T249'])
    const session = await open()
    expect(await spool.sessions.turn(session, 'errand-start', [], none)).toEqual({ kind: 'wait', ms: 0 })
    expect(await spool.sessions.turn(session, 'errand-close', [], none)).toEqual({ kind: 'closed', why: 'closed' })
    const next = await open()
    expect(next.id).not.toBe(session.id)
    expect(await spool.sessions.turn(next, 'errand-start', [], none)).toMatchObject({ tasks: [{ id: 'T249' }] })
  })

  it('counts a take of an errand as no attempt when it ends in a hold', async () => {
    await accept('A')
    await mark('hold', ['A'])
    const session = await open()
    const turn = await spool.sessions.turn(session, 'errand-start', [], none)
    if (turn.kind !== 'recovered') throw new Error(turn.kind)
    const held = { kind: 'hold', id: 'A', reason: 'held by anna@desk: because', mark: markOf('hold') } as const
    await spool.sessions.turn(session, 'errand', [held], none)
    expect(await trace('A')).toMatchObject({
      state: 'parked',
      problem: 'held by anna@desk: because',
      held: { who: 'anna@desk' },
      marked: null,
    })
    expect(await mark('retry', ['A'])).toEqual({ done: 0, already: 1, gone: 0 })
    expect(await mark('release', ['A'])).toEqual({ done: 1, already: 0, gone: 0 })
    expect(await trace('A')).toMatchObject({ state: 'waiting', problem: null, held: null })
    await spool.grant()
    await spool.scheduling.wake(0, 100)
    expect(await spool.sessions.turn(await open(), 'start', [], none)).toMatchObject({ task: { id: 'A', attempts: 1 } })
  })

  it('holds what waits for a later attempt at once, and takes back a hold that nobody has carried out', async () => {
    await accept('A')
    await putOff('A', spool.clock.now + 9000)
    await accept('B')
    expect(await mark('hold', ['A', 'B'])).toMatchObject({ done: 2 })
    expect(await trace('A')).toMatchObject({ state: 'parked', held: { why: 'because' } })
    expect(await trace('B')).toMatchObject({ state: 'waiting', marked: { verb: 'hold' } })
    expect(await mark('hold', ['A'])).toMatchObject({ already: 1 })
    expect(await mark('release', ['A', 'B'])).toEqual({ done: 2, already: 0, gone: 0 })
    expect(await trace('B')).toMatchObject({ state: 'waiting', marked: null })
    expect(await mark('release', ['B'])).toMatchObject({ already: 1 })
  })

  it('makes due what waits, and has a site that is left alone looked at again; not one that is suspended', async () => {
    await accept('A')
    await putOff('A', spool.clock.now + 9000)
    await spool.redis.hset(`${PREFIX}:site:far.test`, { failures: 5, until: '99', reason: 'x', pausedUntil: '77' })
    expect(await spool.verbs.retry('far.test')).toBe(1)
    expect(await spool.redis.hgetall(`${PREFIX}:site:far.test`)).toEqual({ pausedUntil: '77' })
    expect((await trace('A'))?.state).toBe('waiting')
    expect(await spool.verbs.retry('far.test')).toBe(0)
  })
})

describe('retry of a destination whose mail is all due', () => {
  it('ends the pause of its site that is left alone: its mail goes out at once', async () => {
    await accept('A')
    await spool.grant()
    const { now } = spool.clock
    await spool.redis.hset(`${PREFIX}:site:far.test`, { failures: 5, until: now + 120_000, reason: 'connection refused' })
    await spool.scheduling.wake(0, 100)
    expect(await spool.verbs.queue()).toMatchObject([{ waiting: 1, sessions: 0, backoff: { until: now + 120_000 } }])
    expect(await spool.verbs.retry('far.test')).toBe(0)
    await spool.scheduling.wake(0, 100)
    expect(await spool.sessions.turn(await open(), 'start', [], none)).toMatchObject({ task: { id: 'A' } })
  })
})

describe('reroute', () => {
  const reroute = () => createReroute({ redis: spool.redis, lanes: 1, now: () => spool.clock.now })
  const taskOf = async (id: string, destination = 'far.test') => {
    const decoded = decodeTask((await spool.redis.hget(`${PREFIX}:${destination}:${id}`, 'data')) ?? '')
    if (decoded.kind !== 'ok') throw new Error(decoded.reason)
    return decoded.value
  }
  const moveOf = async (id: string) => ({
    task: await taskOf(id),
    content: Buffer.from('hello'),
    mark: markOf('reroute', { to: 'there' }),
    from: 'far.test',
    to: 'there',
  })

  it('puts the task with its content there once, however often it is repeated; another command may move it again', async () => {
    await accept('A')
    const move = await moveOf('A')
    expect(await reroute()(move)).toEqual({ kind: 'moved' })
    expect(await spool.redis.get(`${PREFIX}:there:A:content`)).toBe('hello')
    await spool.redis.del(`${PREFIX}:there:A`, `${PREFIX}:there:A:content`)
    expect(await reroute()(move)).toEqual({ kind: 'moved' })
    expect(await spool.redis.exists(`${PREFIX}:there:A`)).toBe(0)
    await reroute()({ ...move, mark: { ...move.mark, op: 'op2' } })
    expect(await spool.redis.exists(`${PREFIX}:there:A`)).toBe(1)
  })

  it('joins two tasks of a message that come together: all recipients, all attempts, one content', async () => {
    const ref = { store: 'redis', lane: 0, chunks: 2 } as const
    for (const name of ['far.test', 'two.test']) {
      const envelope = envelopeOf('A', { to: [{ address: `x@${name}` }] })
      await spool.accept(acceptOf('A', name, { content: { kind: 'stored', ref, sizeBytes: 9 }, envelope }))
    }
    const tried = { n: 1, at: 5, host: null, stage: 'rcpt', reply: '450' } as const
    const move = { content: null, mark: markOf('reroute', { to: 'there' }), to: 'there' }
    await reroute()({ ...move, task: await taskOf('A'), from: 'far.test' })
    const second = { ...move, task: { ...(await taskOf('A', 'two.test')), attempts: [tried] }, from: 'two.test' }
    for (let i = 0; i < 2; i++) await reroute()(second)
    expect(await taskOf('A', 'there')).toMatchObject({
      to: [{ address: 'x@far.test' }, { address: 'x@two.test' }],
      attempts: [tried],
    })
    expect(await spool.redis.smembers(`${PREFIX}:needs:A`)).toContain('there')
  })

  it('does not touch a task of the same message that is in hand there, and says so', async () => {
    await accept('A')
    await spool.accept(acceptOf('A', 'there'))
    const move = await moveOf('A')
    expect(await reroute()(move)).toMatchObject({ kind: 'clash' })
    expect(await taskOf('A', 'there')).toMatchObject({ to: [{ address: 'b@far.test' }] })
  })
})
