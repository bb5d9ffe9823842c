/**
 * The contract with BullMQ: what the scripts leave in Redis is what BullMQ itself would have left, so that its Workers, counts,
 * pause, promote, stalled recovery and getJob see correct queues. Each case does the same twice, once by a script on far.test and
 * once by BullMQ's own Queue or Worker on twin.test, and compares the keys.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { DelayedError, Job, Queue, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { laneBackend } from './index.ts'
import { acceptOf, PREFIX, useSpool } from './test-support/spool.ts'

const spool = useSpool()
let ours: Queue
let twin: Queue
beforeEach(() => {
  const options = { connection: spool.redis, prefix: PREFIX, skipMetasUpdate: true }
  ours = new Queue('far.test', options, laneBackend)
  twin = new Queue('twin.test', options, laneBackend)
})

/** Workers leave open what they were given. */
const connectionOfTest = (): Redis => {
  const connection = spool.redis.duplicate()
  onTestFinished(() => connection.disconnect())
  return connection
}

const none = { kind: 'none' } as const
const data = (id: string): unknown => ({ id })

/** Keys of a queue without its name, our own beside the task left out. */
const keysOf = async (name: string): Promise<string[]> => {
  const prefix = `${PREFIX}:${name}:`
  const keys = (await spool.redis.keys(`${prefix}*`)).map((key) => key.slice(prefix.length))
  return keys.filter((key) => !key.endsWith(':content')).sort()
}
const fieldsOf = async (name: string, id: string): Promise<string[]> =>
  (await spool.redis.hkeys(`${PREFIX}:${name}:${id}`)).sort()
const typesOf = async (name: string): Promise<Record<string, string>> => {
  const keys = await keysOf(name)
  return Object.fromEntries(await Promise.all(keys.map(async (key) => [key, await spool.redis.type(`${PREFIX}:${name}:${key}`)])))
}
const expectTwins = async (id: string): Promise<void> => {
  expect(await typesOf('far.test')).toEqual(await typesOf('twin.test'))
  expect(await fieldsOf('far.test', id)).toEqual(await fieldsOf('twin.test', id))
  expect(await ours.getJobCounts()).toEqual(await twin.getJobCounts())
}
const openSession = async () => {
  await spool.scheduling.wake(0, 100)
  const session = await spool.takeSession()
  if (session === null) throw new Error('no session is open')
  return session
}
const take = async () => {
  const session = await openSession()
  const turn = await spool.sessions.turn(session, 'start', [], none)
  if (turn.kind !== 'task') throw new Error(turn.kind)
  return { session, task: turn.task }
}
const backendOf = () => laneBackend('twin.test', { connection: spool.redis, prefix: PREFIX, lockDuration: 1000 } as never)

describe('admit', () => {
  it('leaves what Queue.add leaves', async () => {
    await spool.accept(acceptOf('A'))
    await twin.add('task', data('A'), { jobId: 'A' })
    await expectTwins('A')
    const job = await Job.fromId(ours, 'A')
    expect(job?.name).toBe('task')
    expect(await job?.getState()).toBe('waiting')
    expect(job?.data.id).toBe('A')
  })

  it('a task can be taken by a Worker of BullMQ’s own', async () => {
    await spool.accept(acceptOf('A'))
    const worker = new Worker(
      'far.test',
      async (job) => job.data.id,
      { connection: connectionOfTest(), prefix: PREFIX },
      laneBackend,
    )
    const result = await new Promise((resolve) => worker.once('completed', (_job, value) => resolve(value)))
    expect(result).toBe('A')
    await worker.close()
  })
})

describe('next', () => {
  it('takes as moveToActive takes', async () => {
    await spool.grant()
    await spool.accept(acceptOf('A'))
    await take()
    await twin.add('task', data('A'), { jobId: 'A' })
    await backendOf().moveToActive('0', 'session')
    await expectTwins('A')
    expect((await Job.fromId(ours, 'A'))?.attemptsStarted).toBe(1)
  })

  it('finishes as a Worker with removeOnComplete does', async () => {
    await spool.grant()
    await spool.accept(acceptOf('A'))
    const { session } = await take()
    await spool.sessions.turn(session, 'run', [{ kind: 'finish', id: 'A', history: '' }], none)
    await twin.add('task', data('A'), { jobId: 'A' })
    const options = { connection: connectionOfTest(), prefix: PREFIX, removeOnComplete: { count: 0 } }
    const worker = new Worker('twin.test', async () => {}, options, laneBackend)
    await new Promise((resolve) => worker.once('completed', resolve))
    await worker.close()
    const workersOwn = ['stalled-check', 'stalled', 'events']
    expect(await keysOf('far.test')).toEqual((await keysOf('twin.test')).filter((key) => !workersOwn.includes(key)))
    expect(await ours.getJobCounts()).toEqual(await twin.getJobCounts())
  })

  it('defers as Job.moveToDelayed does, and Job.promote brings it back', async () => {
    await spool.grant()
    await spool.accept(acceptOf('A'))
    const { session } = await take()
    const at = spool.clock.now + 3_600_000
    const task = { ...acceptOf('A').envelope, content: { store: 'inline' as const }, attempts: [] }
    await spool.sessions.turn(session, 'run', [{ kind: 'defer', task, at, transcript: Buffer.alloc(0) }], none)
    await spool.redis.del(`${PREFIX}:far.test:A:transcript`)
    await twin.add('task', data('A'), { jobId: 'A' })
    const options = { connection: connectionOfTest(), prefix: PREFIX }
    const worker = new Worker(
      'twin.test',
      async (job, token) => {
        await job.moveToDelayed(at, token)
        throw new DelayedError()
      },
      options,
      laneBackend,
    )
    while ((await twin.getDelayedCount()) === 0) await sleep(10)
    await worker.close()
    expect(await ours.getJobCounts()).toEqual(await twin.getJobCounts())
    const scores = await Promise.all(
      ['far.test', 'twin.test'].map((name) => spool.redis.zscore(`${PREFIX}:${name}:delayed`, 'A')),
    )
    expect(scores[0]).toBe(scores[1])
    const job = await Job.fromId(ours, 'A')
    expect(await job?.getState()).toBe('delayed')
    await job?.promote()
    expect(await ours.getWaitingCount()).toBe(1)
    await spool.redis.zadd(`${PREFIX}:due`, spool.clock.now + 3_600_000, 'far.test')
    expect(await spool.scheduling.repair(0, 'far.test')).toMatchObject({ due: 1 })
    expect((await take()).task).toMatchObject({ id: 'A', attempts: 2 })
  })

  it('parks as a failed job: getFailed shows the reason, Job.retry brings it back', async () => {
    await spool.grant()
    await spool.accept(acceptOf('A'))
    const { session } = await take()
    await spool.sessions.turn(session, 'run', [{ kind: 'park', id: 'A', reason: 'why', task: null }], none)
    const [failed] = await ours.getFailed()
    expect(failed).toMatchObject({ id: 'A', failedReason: 'why' })
    await failed?.retry('failed')
    expect(await ours.getWaitingCount()).toBe(1)
  })

  it('gives nothing of a queue that Queue.pause holds', async () => {
    await spool.grant()
    await spool.accept(acceptOf('A'))
    const session = await openSession()
    await ours.pause()
    expect(await spool.sessions.turn(session, 'start', [], none)).toEqual({ kind: 'closed', why: 'held' })
    await ours.resume()
    await spool.redis.zadd(`${PREFIX}:due`, spool.clock.now + 3_600_000, 'far.test')
    expect(await spool.scheduling.repair(0, 'far.test')).toMatchObject({ due: 1 })
    expect((await take()).task.id).toBe('A')
  })
})

describe('sessions', () => {
  it('are jobs that a Worker takes, locks and, when their agent has died, gives to another run', async () => {
    await spool.grant()
    await spool.accept(acceptOf('A'))
    const { session } = await take()
    await spool.redis.del(`${PREFIX}:delivery:${session.id}:lock`)
    const seen: { id: string | undefined; run: number; crashes: number }[] = []
    const worker = new Worker(
      'delivery',
      async (job, token) => {
        seen.push({ id: job.id, run: job.attemptsStarted, crashes: job.stalledCounter })
        const key = { ...session, token: token ?? '', run: job.attemptsStarted }
        const again = await spool.sessions.turn(key, 'start', [], none)
        expect(again).toMatchObject({ kind: 'recovered', tasks: [{ id: 'A' }] })
        await spool.sessions.turn(key, 'run', [{ kind: 'finish', id: 'A', history: '' }], none)
        throw new DelayedError()
      },
      {
        connection: connectionOfTest(),
        prefix: PREFIX,
        stalledInterval: 100,
        maxStalledCount: Number.MAX_SAFE_INTEGER,
        lockDuration: 1000,
      },
      laneBackend,
    )
    while ((await spool.delivery.getActiveCount()) + (await spool.delivery.getWaitingCount()) > 0) await sleep(20)
    await worker.close()
    expect(seen).toEqual([{ id: session.id, run: 2, crashes: 1 }])
    expect(await spool.delivery.getFailedCount()).toBe(0)
    expect(await spool.redis.keys(`${PREFIX}:far.test:A*`)).toEqual([])
  })
})
