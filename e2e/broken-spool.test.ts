/**
 * A spool that is broken on purpose, in each way that its design names, by what a crash, an operator or a dashboard may do to Redis.
 * A spooler that starts repairs it: the mail flows, nothing is lost from sight, and each repair is counted and told. What may happen
 * to contents is in broken-contents.test.ts.
 */
import { createScheduling, createSessionClient, laneBackend, type SessionKey } from '@sluice/spool'
import { describe, expect, it } from 'vitest'
import { delivered, LANE, NO_SPOOLER, repaired, withQueue } from './support/broken-spool.ts'
import { HOUR, type MailPath, withPath } from './support/path.ts'

const NO_REPORT = { kind: 'none' } as const

/** Permits a destination one session without a spooler, as one would that died right afterwards. */
const grantTo = (path: MailPath, destination: string): Promise<void> =>
  createScheduling({ redis: path.redis, now: path.now }).grant(0, destination, {
    site: destination,
    sessions: 1,
    siteSessions: 1,
    intervalUs: 0,
    maxAgeMs: 10 * HOUR,
    perSession: 3,
    siteIntervalUs: 0,
    class: '',
    share: 10,
    exempt: false,
    until: path.now() + 60_000,
  })

const wake = (path: MailPath): Promise<unknown> => createScheduling({ redis: path.redis, now: path.now }).wake(0, 100)

/** A message in hand of an agent that is about to vanish. */
const takeInHand = async (path: MailPath): Promise<{ id: string; session: SessionKey }> => {
  const id = await path.send({ to: ['ok@far.test'] })
  await grantTo(path, 'far')
  await wake(path)
  const backend = laneBackend('delivery', { connection: path.redis, prefix: LANE, lockDuration: 1000 } as never)
  const [job, sessionId] = await backend.moveToActive('gone')
  if (!job || !sessionId) throw new Error('no session is open')
  const session = { lane: 0, destination: 'far', id: String(sessionId), token: 'gone', run: 1 }
  const client = createSessionClient({ redis: path.redis, now: path.now, random: () => 0.5, historyMax: 9, historyKeepMs: 9000 })
  expect(await client.turn(session, 'start', [], NO_REPORT)).toMatchObject({ kind: 'task', task: { id } })
  return { id, session }
}

describe.concurrent('sessions and permits', () => {
  it('a task in hand of a session that vanished is tried again, its attempt counted, and its permit is free', async () => {
    await withPath({ spoolers: 0, agents: 0 }, async (path) => {
      const { id, session } = await takeInHand(path)
      await path.redis.del(`${LANE}:delivery:${session.id}`, `${LANE}:delivery:${session.id}:lock`, `${LANE}:delivery:active`)
      await path.addSpooler()
      await path.until(async () => (await path.verbs.queue())[0]?.delayed === 1, 'the task to wait for another attempt')
      expect(repaired(path)).toEqual({ tasks: 1, sessions: 1, permits: 1, due: 1 })
      await path.addAgent()
      await path.advance(61_000)
      await delivered(path, id)
      expect(path.events('delivery', id)).toMatchObject([{ fields: { attempt: 2 } }])
    })
  })

  it('a task in hand of a session whose content had been about to end is of unknown outcome', async () => {
    await withPath({ spoolers: 0, agents: 0, config: 'delivery: { unknownOutcome: hold }' }, async (path) => {
      const { id, session } = await takeInHand(path)
      await path.redis.set(`${LANE}:far:${id}:mark`, '1')
      await path.redis.del(`${LANE}:delivery:${session.id}`, `${LANE}:delivery:${session.id}:lock`, `${LANE}:delivery:active`)
      await path.addSpooler()
      await path.until(async () => (await path.verbs.queue())[0]?.delayed === 1, 'the task to wait for another attempt')
      await path.addAgent()
      await path.advance(61_000)
      await path.until(async () => (await path.verbs.queue())[0]?.parked === 1, 'the task to be held for a look')
      expect(path.far.messages).toHaveLength(0)
      expect(path.events('recovery', id)).toMatchObject([{ fields: { outcomeUnknown: true } }])
    })
  })

  it.each([
    ['whose entry in every list is lost', (path: MailPath) => path.redis.del(`${LANE}:delivery:wait`)],
    [
      'that a dashboard failed',
      async (path: MailPath) => {
        const [id = ''] = await path.redis.lrange(`${LANE}:delivery:wait`, 0, -1)
        await path.redis.multi().del(`${LANE}:delivery:wait`).zadd(`${LANE}:delivery:failed`, 1, id).exec()
      },
    ],
    [
      'that a dashboard removed',
      (path: MailPath) => withQueue(path, 'delivery', async (queue) => (await queue.getWaiting())[0]?.remove()),
    ],
    [
      'of a queue that a dashboard cleaned',
      (path: MailPath) => withQueue(path, 'delivery', (queue) => queue.clean(0, 9, 'wait')),
    ],
    [
      'of a queue that a dashboard obliterated, so that its number is given anew',
      async (path: MailPath) => {
        await withQueue(path, 'delivery', (queue) => queue.obliterate({ force: true }))
        await path.send({ to: ['ok@two.test'] })
        await grantTo(path, 'two')
        await wake(path)
        expect(await path.redis.hget(`${LANE}:delivery:1`, 'data')).toBe('{"destination":"two"}')
      },
    ],
  ])('a session %s takes no place: another one opens', async (_what, breakIt) => {
    await withPath(NO_SPOOLER, async (path) => {
      const ids = [await path.send({ to: ['ok@far.test'] })]
      await withQueue(path, 'delivery', (queue) => queue.pause())
      await grantTo(path, 'far')
      await wake(path)
      expect(await path.redis.scard(`${LANE}:sessions:far`)).toBe(1)
      await breakIt(path)
      await withQueue(path, 'delivery', (queue) => queue.resume())
      await path.redis.del(`${LANE}:due`)
      await path.addSpooler()
      await path.untilEvent('delivery', ids[0])
      expect(repaired(path)).toMatchObject({ sessions: 1, permits: 1, due: 1 })
      await delivered(path, ...ids)
    })
  })

  it('a permit without a session does not keep its site closed', async () => {
    await withPath({ spoolers: 0, far: 'connections: 1' }, async (path) => {
      await grantTo(path, 'far')
      await path.redis.zadd(`${LANE}:permits:far`, path.now(), 'ghost')
      const id = await path.send({ to: ['ok@far.test'] })
      await wake(path)
      expect(await path.redis.exists(`${LANE}:sessions:far`)).toBe(0)
      await path.addSpooler()
      await delivered(path, id)
      expect(repaired(path)).toMatchObject({ permits: 1 })
    })
  })
})

describe.concurrent('indexes', () => {
  it('`due` is made anew, for what waits and for what waits for its next attempt', async () => {
    await withPath({}, async (path) => {
      const later = await path.send({ to: ['tempfail-1@far.test'] })
      await path.untilEvent('deferral', later)
      await path.until(async () => (await path.verbs.queue())[0]?.sessions === 0, 'the session to end')
      const spooler = path.spoolers[0]
      await spooler?.close()
      await path.redis.del(`${LANE}:due`, `${LANE}:grant:two`)
      const now = await path.send({ to: ['ok@two.test'] })
      await path.redis.del(`${LANE}:due`)
      await path.addSpooler()
      await path.untilEvent('delivery', now)
      await path.advance(2 * HOUR)
      await delivered(path, later, now)
      expect(repaired(path)).toMatchObject({ due: 2 })
    })
  })

  it('`destinations` is made anew from the keys, also when `due` is lost with it; a held one stays held', async () => {
    await withPath(NO_SPOOLER, async (path) => {
      const ids = [await path.send({ to: ['ok@far.test'] }), await path.send({ to: ['ok@two.test'] })]
      await path.verbs.hold('two')
      await path.redis.del(`${LANE}:destinations`, `${LANE}:due`)
      await path.addSpooler()
      await path.untilEvent('delivery', ids[0])
      expect(repaired(path)).toMatchObject({ destinations: 2 })
      expect((await path.verbs.queue()).find(({ destination }) => destination === 'two')).toMatchObject({
        held: true,
        waiting: 1,
      })
      await path.verbs.release('two')
      await delivered(path, ...ids)
    })
  })

  it('grants, and a queue’s `meta`, come by themselves', async () => {
    await withPath({}, async (path) => {
      const first = await path.send({ to: ['ok@far.test'] })
      await path.untilEvent('delivery', first)
      await path.redis.del(`${LANE}:grant:far`, `${LANE}:far:meta`, `${LANE}:delivery:meta`)
      const second = await path.send({ to: ['ok@far.test'] })
      await delivered(path, first, second)
    })
  })

  it('what lies in `failed` is what is parked: a dashboard’s retry and removal count at once', async () => {
    await withPath(NO_SPOOLER, async (path) => {
      const ids: string[] = []
      for (let i = 0; i < 3; i++) ids.push(await path.send({ to: ['ok@far.test'] }))
      const [hollow = '', again = '', removed = ''] = ids
      for (const id of ids) await path.redis.rename(`${LANE}:far:${id}:content`, `kept:${id}`)
      const spooler = await path.addSpooler()
      for (const id of ids) await path.untilEvent('parked', id)
      const parked = async (): Promise<number> => (await path.verbs.queue())[0]?.parked ?? 0
      await path.until(async () => (await parked()) === 3, 'three to be parked')
      await spooler.close()
      for (const id of ids) await path.redis.rename(`kept:${id}`, `${LANE}:far:${id}:content`)
      await withQueue(path, 'far', async (queue) => {
        await (await queue.getJob(again))?.retry('failed')
        await (await queue.getJob(removed))?.remove()
      })
      expect(await parked()).toBe(1)
      await path.addSpooler()
      await path.untilEvent('delivery', again)
      await path.verbs.retry('far', hollow)
      await path.untilEvent('delivery', hollow)
    })
  })
})

describe.concurrent('a dashboard', () => {
  it('promotes a retry: it is made at once', async () => {
    await withPath({}, async (path) => {
      const id = await path.send({ to: ['tempfail-1@far.test'] })
      await path.untilEvent('deferral', id)
      await path.until(async () => (await path.verbs.queue())[0]?.sessions === 0, 'the session to end')
      await path.spoolers[0]?.close()
      await withQueue(path, 'far', async (queue) => (await queue.getJob(id))?.promote())
      await path.addSpooler()
      await delivered(path, id)
      expect(repaired(path)).toMatchObject({ due: 1 })
    })
  })

  it('leaves marks of admissions behind: they keep no other message, and go by themselves', async () => {
    await withPath({}, async (path) => {
      await path.redis.set(`${LANE}:once:far:01STALE`, '1', 'PX', 86_400_000, 'NX')
      const id = await path.send({ to: ['ok@far.test', 'ok@two.test'] })
      await path.untilEvent('delivery', id, 2)
      await path.untilEmpty()
      for (const key of await path.redis.keys(`${LANE}:once:*`)) expect(await path.redis.pttl(key)).toBeGreaterThan(0)
    })
  })
})
