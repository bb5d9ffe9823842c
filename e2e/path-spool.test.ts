/** What the postmaster sees and does: hold, release, what is parked, trace; and what is left in Redis. */
import { readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { createTidying, createTrace } from '@sluice/spool'
import { describe, expect, it } from 'vitest'
import { HOUR, withPath } from './support/path.ts'

const LARGE = Buffer.from(`Subject: large\r\n\r\n${'ten bytes.\r\n'.repeat(58_000)}`)
const filesIn = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name !== '.gateway')
    .map(({ name }) => name)

describe.concurrent('the postmaster', () => {
  it('holds and releases a destination; two spoolers deliver what waited once', async () => {
    await withPath({ spoolers: 2, agents: 2 }, async (path) => {
      await path.verbs.hold('far')
      const ids: string[] = []
      for (let i = 0; i < 40; i++) ids.push(await path.send({ to: [`ok+${i}@far.test`] }))
      const other = await path.send({ to: ['ok@two.test'] })
      await path.untilEvent('delivery', other)
      await sleep(500)
      expect(await path.verbs.queue()).toMatchObject([{ destination: 'far', held: true, waiting: 40, sessions: 0 }])
      expect(path.far.connections).toHaveLength(0)
      await path.verbs.release('far')
      await path.untilEmpty()
      for (const id of ids) expect(path.got(path.far, id)).toHaveLength(1)
    })
  })

  it('sees mail accepted and held while every spooler is stopped, and moving when one is back', async () => {
    await withPath({ spoolers: 0 }, async (path) => {
      const spooler = await path.addSpooler()
      const first = await path.send({ to: ['ok@far.test'] })
      await path.untilEvent('delivery', first)
      await spooler.close()
      await path.advance(61_000)
      const second = await path.send({ to: ['ok@far.test'] })
      const both = await path.send({ to: ['ok@far.test', 'ok@two.test'] })
      await sleep(700)
      expect(path.events('attempt', second)).toEqual([])
      expect((await path.trace(both))?.intake).toMatchObject({ id: both })
      expect(await path.verbs.intake()).toEqual({ waiting: 1, parked: 0 })
      await path.addSpooler()
      await path.untilEmpty()
      for (const id of [second, both]) expect(path.got(path.far, id)).toHaveLength(1)
    })
  })

  it('finds parked what is not understood, counted and told, while the rest flows', async () => {
    await withPath({ spoolers: 0 }, async (path) => {
      const bad: string[] = []
      for (let i = 0; i < 4; i++) bad.push(await path.send({ to: ['ok@far.test'] }))
      const key = (id = ''): string => `sluice{00}:far:${id}`
      await path.redis.hset(key(bad[0]), 'data', '{"half')
      await path.redis.hset(key(bad[1]), 'data', JSON.stringify({ v: 99 }))
      await path.redis.del(`${key(bad[2])}:content`)
      await path.redis.hdel(key(bad[3]), 'data')
      const intake = [
        await path.send({ to: ['ok@far.test', 'ok@two.test'] }),
        await path.send({ to: ['a@far.test', 'a@two.test'] }),
      ]
      await path.redis.hset(`sluice{00}:intake:${intake[0]}`, 'data', 'no json')
      await path.redis.hset(`sluice{00}:intake:${intake[1]}`, 'data', '{"v":2}')
      const lost = await path.send({ to: ['ok+lost@far.test'], content: LARGE })
      await path.contents.remove(lost, { store: 'redis', lane: 0, chunks: 3 })
      const good = await path.send({ to: ['ok@far.test'] })
      const goodToo = await path.send({ to: ['ok+g@far.test', 'ok+g@two.test'] })
      await path.addSpooler()
      await path.untilEvent('delivery', good)
      await path.untilEvent('delivery', goodToo, 2)
      for (const id of [...bad, ...intake, lost]) await path.untilEvent('parked', id)
      await path.until(async () => (await path.verbs.queue())[0]?.active === 0, 'all settled')
      expect(await path.verbs.queue()).toMatchObject([{ destination: 'far', parked: 5, waiting: 0, delayed: 0 }])
      expect((await path.verbs.queue()).reduce((sum, { parked }) => sum + parked, 0)).toBe(5)
      expect((await path.trace(bad[2]!))?.tasks).toMatchObject([{ state: 'parked', problem: 'the content is missing' }])
      expect((await path.trace(lost))?.tasks).toMatchObject([
        { state: 'parked', problem: expect.stringContaining('is not in Redis') },
      ])
      expect(await path.verbs.intake()).toEqual({ waiting: 0, parked: 2 })
      expect(await createTidying({ redis: path.redis, lanes: 1 }).retryIntake(0)).toBe(0)
      const events = path.events('parked').length
      await path.verbs.retry('far')
      await path.until(async () => path.events('parked').length > events, 'what was parked to be looked at again')
      await path.until(async () => (await path.verbs.queue())[0]?.active === 0, 'all settled again')
    })
  })

  it('traces a message while it waits, after delivery and after a bounce; the history is bounded', async () => {
    await withPath({ config: 'history: { max: 20 }' }, async (path) => {
      const waiting = await path.send({ to: ['tempfail@far.test'] })
      const bounced = await path.send({ to: ['reject@far.test'] })
      await path.untilEvent('deferral', waiting)
      await path.untilEvent('bounce', bounced)
      await path.until(async () => (await path.trace(waiting))?.tasks[0]?.state === 'delayed', 'the retry')
      const [task] = (await path.trace(waiting))?.tasks ?? []
      expect(task).toMatchObject({
        destination: 'far',
        task: { attempts: [{ n: 1, stage: 'rcpt', reply: expect.stringContaining('450') }] },
      })
      expect(task?.nextAttemptAt).toBeGreaterThan(path.now() + 1.9 * HOUR)
      expect(task?.transcript.join('\n')).toContain('RCPT TO:<tempfail@far.test>')
      await path.until(async () => (await path.trace(bounced))?.history.length === 1, 'the bounce to stand in the history')
      const bounce = (await path.trace(bounced))?.history[0]
      expect(bounce).toMatchObject({ notice: 'failed', recipients: [{ kind: 'bounced', status: '5.1.1' }] })
      expect(bounce?.transcript?.join('\n')).toContain('550 5.1.1')
      const ids: string[] = []
      for (let i = 0; i < 30; i++) ids.push(await path.send({ to: [`ok+${i}@far.test`] }))
      for (const id of ids) await path.untilEvent('delivery', id)
      await path.until(async () => (await path.redis.zcard('sluice{00}:histories')) === 20, 'twenty histories')
      await path.until(async () => (await path.redis.keys('sluice{00}:history:*')).length === 20, 'no more kept')
      const last = await path.trace(ids.at(-1)!)
      expect(last).toMatchObject({ tasks: [], history: [{ destination: 'far', recipients: [{ kind: 'delivered' }] }] })
      expect(await path.trace(bounced)).toBeNull()
    })
  })
})

describe.concurrent('stored contents', () => {
  it.each(['redis', 'file'])('of %s go after the last destination is done; orphans are swept', async (store) => {
    await withPath({ config: '', spoolers: 0 }, async (path) => {
      const config = { ...path.config, content: { ...path.config.content, store: store as 'redis' | 'file' } }
      const stored = path.storing(config)
      const id = await stored.send({ to: ['ok@far.test', 'tempfail-1@two.test'], content: LARGE })
      const single = await stored.send({ to: ['ok@far.test'], content: LARGE })
      const orphan = stored.contents.stage('01ORPHAN0RPHAN0RPH', 0)
      await orphan.write(LARGE)
      await orphan.finish()
      await path.addSpooler(config)
      await path.untilEvent('delivery', single)
      await path.untilEvent('deferral', id)
      await path.untilEvent('delivery', id)
      const isOwned = (): Promise<boolean> => readdir(config.content.directory).then((names) => names.includes('.gateway'))
      if (store === 'file') await path.until(isOwned, 'the spooler to see whose they are')
      expect(path.far.messages.filter(({ content }) => content.equals(LARGE))).toHaveLength(2)
      await path.until(
        async () => (await path.redis.smembers(`sluice{00}:needs:${id}`)).join() === 'two',
        'one destination to be done',
      )
      await path.advance(2 * HOUR)
      await path.untilEvent('delivery', id, 2)
      expect(path.two.messages.filter(({ content }) => content.equals(LARGE))).toHaveLength(1)
      const piecesLeft = async (): Promise<string[]> =>
        store === 'redis' ? await path.redis.keys('*:content:*') : await filesIn(config.content.directory)
      await path.until(async () => (await piecesLeft()).every((name) => name.includes('ORPHAN')), 'only the orphan to be left')
      expect(await piecesLeft()).not.toEqual([])
      const tidying = createTidying({ redis: path.redis, lanes: 1 })
      const busy = await stored.send({ to: ['tempfail@far.test'], content: LARGE })
      await path.untilEvent('deferral', busy)
      expect(await stored.contents.sweep(-1000, tidying.isNeeded)).toBe(1)
      expect((await piecesLeft()).some((name) => name.includes('ORPHAN'))).toBe(false)
      expect(await piecesLeft()).not.toEqual([])
    })
  })
})

describe.concurrent('two lanes', () => {
  it('work as one: several destinations, retries, nothing left in either', async () => {
    await withPath({ lanes: 2 }, async (path) => {
      const ids: string[] = []
      for (let i = 0; i < 30; i++)
        ids.push(
          await path.send({
            to: [`ok+${i}@far.test`, `tempfail-1+${i}@two.test`],
            content: `X-Id: ${i}\r\n\r\n${'x'.repeat(50)}\r\n`,
          }),
        )
      for (const id of ids) await path.untilEvent('deferral', id)
      await path.advance(2 * HOUR)
      for (const id of ids) await path.untilEvent('delivery', id, 2)
      await path.untilEmpty()
      expect([path.far.messages.length, path.two.messages.length]).toEqual([30, 30])
      expect((await createTrace({ redis: path.redis, lanes: 2 })(ids[0]!))?.history).toHaveLength(2)
    })
  })
})

describe('what a message costs', () => {
  it('in Redis commands: per delivered message of 2 KiB at most 1.3 script calls, one SET and little else', async () => {
    await withPath({}, async (path) => {
      const content = `Subject: s\r\n\r\n${'x'.repeat(2000)}\r\n`
      const count = 1000
      await path.redis.config('RESETSTAT')
      for (let i = 0; i < count; i += 50)
        await Promise.all(Array.from({ length: 50 }, (_, j) => path.send({ to: [`ok+${i + j}@far.test`], content })))
      await path.until(() => path.far.messages.length === count, 'all delivered', 20_000)
      const stats = await path.redis.info('commandstats')
      const calls: Record<string, number> = Object.fromEntries(
        [...stats.matchAll(/^cmdstat_([\w|]+):calls=(\d+)/gm)].map(([, name, calls]) => [name, Number(calls)]),
      )
      // The figures hold what scripts call within, too; SET is the content's and the mark's, and only the latter travels.
      expect(calls.evalsha! / count).toBeLessThan(1.3)
      expect(calls.set! / count).toBeLessThan(2.1)
      const inner = Object.values(calls).reduce((sum, each) => sum + each, 0) / count
      expect(inner).toBeLessThan(55)
    })
  }, 40_000)
})

describe.concurrent('many destinations', () => {
  it('that fall due at one moment are all looked at, far more than one look takes, and none sticks in `due`', async () => {
    await withPath({ spoolers: 2, agents: 2 }, async (path) => {
      const ids = await Promise.all(Array.from({ length: 350 }, (_, i) => path.send({ to: [`ok@d${i}.test`], from: '' })))
      await path.until(() => path.events('deferral').length === ids.length, 'each to be tried', 20_000)
      await path.until(async () => (await path.verbs.queue()).every(({ sessions }) => sessions === 0), 'sessions to end')
      const early = await path.redis.zcount('sluice{00}:due', '-inf', path.now() + HOUR)
      expect(early).toBe(0)
      await path.advance(2 * HOUR)
      await path.until(() => path.events('deferral').length === 2 * ids.length, 'each to be tried again', 20_000)
      for (const id of ids) expect(path.events('deferral', id)).toHaveLength(2)
    })
  }, 60_000)
})

describe.concurrent('an empty destination', () => {
  it('is forgotten by the spooler’s walk and leaves no key', async () => {
    await withPath({ spoolers: 0 }, async (path) => {
      const spooler = await path.addSpooler()
      const id = await path.send({ to: ['ok@far.test', 'ok@two.test'] })
      await path.untilEvent('delivery', id, 2)
      await path.untilEmpty()
      await spooler.close()
      await path.advance(61_000)
      await path.addSpooler()
      await path.until(async () => (await path.redis.scard('sluice{00}:destinations')) === 0, 'nothing to be remembered')
      expect((await path.redis.keys('*')).filter((key) => /:(far|two)(:|$)/.test(key) && !key.includes(':once:'))).toEqual([])
    })
  })
})
