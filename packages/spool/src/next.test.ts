import { describe, expect, it } from 'vitest'
import { decodeTask, packTranscript } from './index.ts'
import { acceptOf, PREFIX, useSpool } from './test-support/spool.ts'

const spool = useSpool()

const none = { kind: 'none' } as const
const ok = { kind: 'ok' } as const
const open = async () => {
  await spool.scheduling.wake(0, 100)
  const session = await spool.takeSession()
  if (session === null) throw new Error('no session is open')
  return session
}
const taskIn = async (session: Awaited<ReturnType<typeof open>>, mode: 'start' | 'run' = 'start') => {
  const turn = await spool.sessions.turn(session, mode, [], none)
  if (turn.kind !== 'task') throw new Error(`expected a task, got ${JSON.stringify(turn)}`)
  return turn.task
}

describe('a session', () => {
  it('takes, settles and closes, and leaves no task behind', async () => {
    await spool.grant()
    await spool.accept(acceptOf('A'))
    const session = await open()
    const task = await taskIn(session)
    expect(task).toMatchObject({ id: 'A', attempts: 1, marked: false })
    expect(task.content?.toString()).toBe('hello')
    const turn = await spool.sessions.turn(session, 'run', [{ kind: 'finish', id: 'A', history: '{"a":1}' }], ok)
    expect(turn).toEqual({ kind: 'closed', why: 'empty' })
    expect(await spool.redis.keys(`${PREFIX}:far.test:A*`)).toEqual([])
    expect(await spool.redis.lrange(`${PREFIX}:history:A`, 0, -1)).toEqual(['{"a":1}'])
    expect(await spool.redis.exists(`${PREFIX}:permits:far.test`, `${PREFIX}:sessions:far.test`)).toBe(0)
    expect(await spool.delivery.getJobCounts()).toMatchObject({ active: 0, waiting: 0, failed: 0, completed: 0 })
  })

  it('is fenced once its lock is another run’s: nothing is settled', async () => {
    await spool.grant()
    await spool.accept(acceptOf('A'))
    const session = await open()
    await taskIn(session)
    await spool.redis.set(`${PREFIX}:delivery:${session.id}:lock`, 'another')
    const turn = await spool.sessions.turn(session, 'run', [{ kind: 'finish', id: 'A', history: '' }], ok)
    expect(turn).toEqual({ kind: 'fenced' })
    expect(await spool.redis.exists(`${PREFIX}:far.test:A`)).toBe(1)
  })

  it('settles once more when its lock lapsed while Redis was away and nobody ran it since, also when it is queued again', async () => {
    await spool.grant()
    for (const id of ['A', 'B']) await spool.accept(acceptOf(id))
    const session = await open()
    await taskIn(session)
    await spool.redis.del(`${PREFIX}:delivery:${session.id}:lock`)
    const turn = await spool.sessions.turn(session, 'run', [{ kind: 'finish', id: 'A', history: '' }], ok)
    expect(turn).toMatchObject({ kind: 'task', task: { id: 'B' } })
    await spool.redis.del(`${PREFIX}:delivery:${session.id}:lock`)
    await spool.redis.lmove(`${PREFIX}:delivery:active`, `${PREFIX}:delivery:wait`, 'LEFT', 'RIGHT')
    expect(await spool.sessions.turn(session, 'run', [{ kind: 'finish', id: 'B', history: '' }], ok)).toEqual({ kind: 'fenced' })
    expect(await spool.redis.exists(`${PREFIX}:far.test:A`, `${PREFIX}:far.test:B`)).toBe(0)
  })

  it('finds what its dead run had in hand, with the mark of an unknown outcome', async () => {
    await spool.grant()
    await spool.accept(acceptOf('A'))
    const session = await open()
    await taskIn(session)
    await spool.sessions.mark(session, 'A')
    const again = await spool.sessions.turn(session, 'start', [], none)
    expect(again).toMatchObject({ kind: 'recovered', tasks: [{ id: 'A', attempts: 1, marked: true, takenBy: session.run }] })
  })

  it('tells of recipients that are done while the rest of the task waits', async () => {
    await spool.grant()
    await spool.accept(acceptOf('A'))
    const session = await open()
    const decoded = decodeTask((await taskIn(session)).data)
    if (decoded.kind !== 'ok') throw new Error(decoded.reason)
    const remember = { kind: 'remember', id: 'A', history: '{"some":1}' } as const
    const defer = { kind: 'defer', task: decoded.value, at: spool.clock.now + 1000, transcript: Buffer.alloc(0) } as const
    await spool.sessions.turn(session, 'run', [remember, defer], ok)
    await spool.sessions.turn(session, 'run', [remember, defer], ok)
    expect(await spool.redis.lrange(`${PREFIX}:history:A`, 0, -1)).toEqual(['{"some":1}'])
  })

  it('settles at most once: a repeated call does no harm to a later attempt', async () => {
    await spool.grant()
    await spool.accept(acceptOf('A'))
    const session = await open()
    const decoded = decodeTask((await taskIn(session)).data)
    if (decoded.kind !== 'ok') throw new Error(decoded.reason)
    const defer = {
      kind: 'defer',
      task: decoded.value,
      at: spool.clock.now + 1000,
      transcript: packTranscript(['S: 450 later']),
    } as const
    expect(await spool.sessions.turn(session, 'run', [defer], ok)).toEqual({ kind: 'closed', why: 'empty' })
    expect(await spool.redis.zcard(`${PREFIX}:far.test:delayed`)).toBe(1)
    spool.clock.now += 1001
    const second = await open()
    expect(await taskIn(second)).toMatchObject({ id: 'A', attempts: 2 })
    const stale = { ...session, token: 'gone' }
    expect(await spool.sessions.turn(stale, 'run', [{ kind: 'finish', id: 'A', history: '' }], ok)).toEqual({ kind: 'fenced' })
    expect(await spool.redis.exists(`${PREFIX}:far.test:A`)).toBe(1)
  })

  it('hands a task back without an attempt', async () => {
    await spool.grant()
    await spool.accept(acceptOf('A'))
    const session = await open()
    await taskIn(session)
    const turn = await spool.sessions.turn(session, 'close', [{ kind: 'return', id: 'A' }], none)
    expect(turn).toEqual({ kind: 'closed', why: 'closed' })
    const next = await open()
    expect(await taskIn(next)).toMatchObject({ id: 'A', attempts: 1 })
  })

  it('gives what is in hand back before it closes: a reply that was lost, and a run that died, leave nothing behind', async () => {
    await spool.grant()
    await spool.accept(acceptOf('A'))
    const session = await open()
    await taskIn(session)
    const turn = await spool.sessions.turn(session, 'close', [], none)
    expect(turn).toMatchObject({ kind: 'recovered', tasks: [{ id: 'A', takenBy: 1 }] })
    const closed = await spool.sessions.turn(session, 'close', [{ kind: 'return', id: 'A' }], none)
    expect(closed).toEqual({ kind: 'closed', why: 'closed' })
    expect(await taskIn(await open())).toMatchObject({ id: 'A', attempts: 1 })
  })

  it('parks a task: counted, shown, kept', async () => {
    await spool.grant()
    await spool.accept(acceptOf('A'))
    const session = await open()
    await taskIn(session)
    await spool.sessions.turn(session, 'run', [{ kind: 'park', id: 'A', reason: 'no JSON', task: null }], none)
    expect(await spool.redis.zrange(`${PREFIX}:far.test:failed`, '0', '-1')).toEqual(['A'])
    expect(await spool.verbs.queue()).toMatchObject([{ destination: 'far.test', parked: 1 }])
    expect(await spool.verbs.retry('far.test', 'A')).toBe(1)
    expect(await taskIn(await open())).toMatchObject({ id: 'A' })
  })

  it('keeps a rate on Redis’s clock: waits with its connection when the moment is near, sleeps in the queue when it is not', async () => {
    await spool.grant('far.test', { intervalUs: 500_000, perSession: 10 })
    for (const id of ['A', 'B', 'C', 'D']) await spool.accept(acceptOf(id))
    const session = await open()
    await taskIn(session)
    const second = await spool.sessions.turn(session, 'run', [{ kind: 'finish', id: 'A', history: '' }], ok)
    expect(second.kind).toBe('task')
    const turn = await spool.sessions.turn(session, 'run', [{ kind: 'finish', id: 'B', history: '' }], ok)
    expect(turn.kind).toBe('wait')
    await spool.grant('far.test', { intervalUs: 3_600_000_000, perSession: 10 })
    await spool.redis.hset(`${PREFIX}:grant:far.test`, 'tat', String((Date.now() + 3_600_000) * 1000))
    await spool.redis.hdel(`${PREFIX}:delivery:${session.id}`, 'slot')
    expect(await spool.sessions.turn(session, 'run', [], ok)).toMatchObject({ kind: 'sleep' })
    expect(await spool.redis.zcard(`${PREFIX}:delivery:delayed`)).toBe(1)
    expect(await spool.redis.exists(`${PREFIX}:permits:far.test`)).toBe(0)
  })
})

describe('sites', () => {
  it('are left alone after three failures in a row, tasks untouched, then probed by one session at a time', async () => {
    await spool.grant('far.test', { perSession: 10 })
    for (const id of ['A', 'B', 'C', 'D', 'E']) await spool.accept(acceptOf(id))
    const session = await open()
    const failed = { kind: 'failed', reason: 'connection refused' } as const
    let turn = await spool.sessions.turn(session, 'start', [], none)
    for (let i = 0; i < 3; i++) {
      if (turn.kind !== 'task') throw new Error(turn.kind)
      const decoded = decodeTask(turn.task.data)
      if (decoded.kind !== 'ok') throw new Error(decoded.reason)
      const defer = { kind: 'defer', task: decoded.value, at: spool.clock.now + 7_200_000, transcript: Buffer.alloc(0) } as const
      turn = await spool.sessions.turn(session, 'run', [defer], failed)
    }
    expect(turn).toEqual({ kind: 'closed', why: 'backoff' })
    const [state] = await spool.verbs.queue()
    expect(state).toMatchObject({ waiting: 2, delayed: 3, sessions: 0, backoff: { reason: 'connection refused' } })
    await spool.scheduling.wake(0, 100)
    expect(await spool.takeSession()).toBeNull()
    spool.clock.now += 40_000
    await spool.grant()
    const probe = await open()
    expect(await spool.takeSession()).toBeNull()
    await taskIn(probe)
    await spool.scheduling.wake(0, 100)
    expect(await spool.takeSession()).toBeNull()
    expect((await spool.sessions.turn(probe, 'run', [{ kind: 'finish', id: 'D', history: '' }], ok)).kind).toBe('task')
    expect((await spool.verbs.queue())[0]?.backoff).toBeNull()
  })

  it('are left alone no longer because many sessions failed in the same moment: that is one failure', async () => {
    await spool.grant('far.test', { perSession: 1 })
    for (let i = 0; i < 12; i++) await spool.accept(acceptOf(`T${i}`))
    const failed = { kind: 'failed', reason: 'connection refused' } as const
    const inHand: { session: Awaited<ReturnType<typeof open>>; id: string }[] = []
    for (let session = await spool.takeSession(); session !== null; session = await spool.takeSession()) {
      inHand.push({ session, id: (await taskIn(session)).id })
    }
    expect(inHand.length).toBeGreaterThanOrEqual(8)
    for (const { session, id } of inHand) await spool.sessions.turn(session, 'run', [{ kind: 'return', id }], failed)
    const [state] = await spool.verbs.queue()
    expect((state?.backoff?.until ?? Number.POSITIVE_INFINITY) - spool.clock.now).toBeLessThanOrEqual(33_000)
  })

  it('limit their sessions, whatever the number of destinations', async () => {
    for (const name of ['one.test', 'two.test', 'three.test']) {
      await spool.grant(name, { site: 'mx', siteSessions: 2 })
      await spool.accept(acceptOf('A', name))
    }
    await spool.scheduling.wake(0, 100)
    expect(await spool.redis.zcard(`${PREFIX}:permits:mx`)).toBe(2)
    expect(await spool.delivery.getWaitingCount()).toBe(2)
  })

  it('share their permits: one that was kept for a second goes to the destination that waits for it, in turn', async () => {
    for (const name of ['one.test', 'two.test', 'three.test']) {
      await spool.grant(name, { site: 'mx', siteSessions: 1 })
      for (const id of ['A', 'B', 'C']) await spool.accept(acceptOf(`${name}-${id}`, name))
    }
    const served: string[] = []
    for (let i = 0; i < 6; i++) {
      const session = await open()
      served.push(session.destination)
      await taskIn(session)
      spool.clock.now += 1000
      expect(await spool.sessions.turn(session, 'run', [], none)).toEqual({ kind: 'closed', why: 'yield' })
    }
    expect(served.slice(0, 3).sort()).toEqual(['one.test', 'three.test', 'two.test'])
    expect(served.slice(3)).toEqual(served.slice(0, 3))
  })
})

describe('holding', () => {
  it('stops sessions and release starts them; a held destination is not in `due`', async () => {
    await spool.grant()
    await spool.verbs.hold('far.test')
    await spool.accept(acceptOf('A'))
    await spool.scheduling.wake(0, 100)
    expect(await spool.takeSession()).toBeNull()
    expect(await spool.redis.zcard(`${PREFIX}:due`)).toBe(0)
    expect(await spool.verbs.queue()).toMatchObject([{ held: true, waiting: 1 }])
    await spool.verbs.release('far.test')
    expect(await taskIn(await open())).toMatchObject({ id: 'A' })
  })
})

describe('without a spooler', () => {
  it('mail is accepted and held, and asks for a grant', async () => {
    await spool.accept(acceptOf('A'))
    expect(await spool.takeSession()).toBeNull()
    expect(await spool.scheduling.wake(0, 100)).toMatchObject({ ungranted: ['far.test'] })
  })

  it('an open session ends with its grant, after it has settled; what is left asks for a grant', async () => {
    await spool.grant('far.test', { until: spool.clock.now + 1000 })
    for (const id of ['A', 'B']) await spool.accept(acceptOf(id))
    const session = await open()
    await taskIn(session)
    spool.clock.now += 1000
    const turn = await spool.sessions.turn(session, 'run', [{ kind: 'finish', id: 'A', history: '' }], ok)
    expect(turn).toEqual({ kind: 'closed', why: 'grant' })
    expect(await spool.redis.exists(`${PREFIX}:far.test:A`)).toBe(0)
    expect(await spool.scheduling.wake(0, 100)).toMatchObject({ ungranted: ['far.test'] })
    expect(await spool.takeSession()).toBeNull()
  })
})

describe('forgetting', () => {
  it('removes every key of an empty destination, and only of an empty one', async () => {
    await spool.grant('far.test', { until: spool.clock.now + 1000 })
    await spool.accept(acceptOf('A'))
    const session = await open()
    await taskIn(session)
    expect(await spool.scheduling.forget(0, 'far.test')).toBe(false)
    await spool.sessions.turn(session, 'run', [{ kind: 'finish', id: 'A', history: '' }], ok)
    spool.clock.now += 2000
    expect(await spool.scheduling.forget(0, 'far.test')).toBe(true)
    const left = (await spool.redis.keys('*')).filter((key) => key.includes('far.test'))
    expect(left).toEqual([])
    expect(await spool.redis.smembers(`${PREFIX}:destinations`)).toEqual([])
  })
})

describe('expiry', () => {
  it('of what could not be tried: a session that may take only what has outlived its schedule', async () => {
    await spool.grant('far.test', { maxAgeMs: 10_000, until: spool.clock.now + 100_000 })
    await spool.accept(acceptOf('A'))
    spool.clock.now += 9_000
    await spool.accept(acceptOf('B'))
    await spool.redis.hset(`${PREFIX}:site:far.test`, 'failures', 9, 'until', spool.clock.now + 1_000_000, 'reason', 'refused')
    await spool.redis.del(`${PREFIX}:delivery:wait`, `${PREFIX}:sessions:far.test`, `${PREFIX}:permits:far.test`)
    await spool.scheduling.wake(0, 100)
    spool.clock.now += 1_500
    const session = await open()
    const turn = await spool.sessions.turn(session, 'expire', [], none)
    expect(turn).toMatchObject({ kind: 'task', task: { id: 'A' } })
    expect(await spool.sessions.siteReason(session)).toBe('refused')
    const end = await spool.sessions.turn(session, 'expire', [{ kind: 'finish', id: 'A', history: '' }], none)
    expect(end).toEqual({ kind: 'closed', why: 'backoff' })
  })
})
