/** Agents that die, Redis that goes away, services that are told to stop, and an agent with too much to do: long waits, side by side. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '@sluice/testkit'
import { describe, expect, it } from 'vitest'
import { HOUR, type MailPath, withPath } from './support/path.ts'

const expectOnce = (path: MailPath, ids: string[]): void => {
  for (const id of ids) expect(path.got(path.far, id).length, id).toBe(1)
}

/** Kills Redis while mail is in hand of slow far ends, more waits, and messages flow. */
const outage = async (path: MailPath, ms: number): Promise<string[]> => {
  const sent: string[] = []
  for (let i = 0; i < 5; i++) sent.push(await path.send({ to: [`slow+${i}@far.test`] }))
  await path.until(() => path.events('attempt').length === 5, 'five slow deliveries')
  for (let i = 0; i < 200; i++) sent.push(await path.send({ to: [`ok+${i}@far.test`] }))
  await path.until(() => path.events('delivery').length >= 20, 'mail to flow')
  await path.server.kill()
  await sleep(ms)
  await path.server.start()
  return sent
}

const MAIN = fileURLToPath(new URL('../services/delivery-agent/src/main.ts', import.meta.url))

const startAgent = (path: MailPath): ChildProcess => {
  const env = { ...process.env, SLUICE_CONFIG: path.configFile, SLUICE_CLOCK_FILE: path.clockFile }
  return spawn(process.execPath, [MAIN], { env, stdio: 'ignore' })
}
const kill = async (child: ChildProcess): Promise<void> => {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}
const datas = ({ connections }: MailPath['far']): number =>
  connections.flatMap(({ commands }) => commands).filter((command) => command.startsWith('DATA')).length
const commandsWith = (path: MailPath, text: string): number =>
  path.far.connections.flatMap(({ commands }) => commands).filter((command) => command.includes(text)).length
const taskOf = async (path: MailPath, id: string) => (await path.trace(id))?.tasks[0]

describe.concurrent('an agent that dies with mail in hand', () => {
  it('is found within 20 s: attempts count, unknown outcomes are held, the third death parks, and the rest goes on', async ({
    onTestFinished,
  }) => {
    await withPath({ agents: 0, config: 'delivery: { unknownOutcome: hold }' }, async (path) => {
      const before = await path.send({ to: ['never-answer-rcpt+early@far.test'] })
      const after = await path.send({ to: ['never-answer+late@far.test'] })
      const poison = await path.send({ to: ['never-answer-rcpt+poison@far.test'] })
      const key = `sluice{00}:far:${poison}`
      const task = JSON.parse((await path.redis.hget(key, 'data')) ?? '')
      const crash = { at: path.now(), host: null, stage: 'crash', reply: 'interrupted' }
      task.attempts = [
        { n: 1, ...crash },
        { n: 2, ...crash },
      ]
      await path.redis.hset(key, 'data', JSON.stringify(task))
      const first = startAgent(path)
      onTestFinished(() => void first.kill('SIGKILL'))
      await path.until(() => commandsWith(path, 'early@') + commandsWith(path, 'poison@') === 2, 'RCPT of two', 15_000)
      await path.until(async () => (await path.redis.exists(`sluice{00}:far:${after}:mark`)) === 1, 'the mark')
      await kill(first)
      const killedAt = performance.now()
      await path.addAgent()
      await path.until(async () => (await taskOf(path, before))?.state === 'delayed', 'recovery', 20_000)
      await path.until(async () => (await taskOf(path, after))?.state === 'parked', 'the unknown one to be held', 20_000)
      await path.until(async () => (await taskOf(path, poison))?.state === 'parked', 'the poison to be parked', 20_000)
      expect(performance.now() - killedAt).toBeLessThan(21_000)

      expect((await taskOf(path, before))?.task?.attempts).toMatchObject([
        { n: 1, stage: 'crash', reply: expect.stringMatching(/interrupted|died/) },
      ])
      expect((await taskOf(path, before))?.nextAttemptAt).toBeGreaterThan(path.now() + HOUR)
      expect((await taskOf(path, after))?.problem).toMatch(/not known/)
      expect((await taskOf(path, poison))?.problem).toMatch(/died 3 times/)
      // They linger for a moment, as mail might come.
      await path.until(async () => (await path.verbs.queue())[0]?.sessions === 0, 'its sessions to end')
      expect((await path.verbs.queue())[0]).toMatchObject({ destination: 'far', delayed: 1, parked: 2, active: 0, sessions: 0 })
      const well = await path.send({ to: ['ok+well@far.test'] })
      await path.untilEvent('delivery', well)
      expect(await path.redis.keys('*:mark')).toEqual([])
    })
  }, 60_000)
})

describe.concurrent('while Redis is away', () => {
  it('for a second, in mid-delivery: nothing is lost and nothing delivered twice', async () => {
    await withPath({ farEnd: { slowMs: 1500, delayMs: 3 } }, async (path) => {
      const sent = await outage(path, 1000)
      await path.untilEmpty(25_000)
      expectOnce(path, sent)
    })
  }, 40_000)

  it('for longer than a session’s lock: agents that lived through it settle what they delivered, nothing goes twice', async () => {
    await withPath({ farEnd: { slowMs: 4000, delayMs: 3 }, agents: 2 }, async (path) => {
      const sent = await outage(path, 16_000)
      await path.untilEmpty(30_000)
      expectOnce(path, sent)
      expect(path.events('recovery')).toEqual([])
    })
  }, 60_000)

  it('at the start: services wait, say so on /readyz, and then work', async () => {
    await withPath({ agents: 0, spoolers: 0 }, async (path) => {
      const id = await path.send({ to: ['ok@far.test', 'ok@two.test'] })
      await path.server.kill()
      const ports = { ...path.config.http.ports, spooler: await freePort(), 'delivery-agent': await freePort() }
      const config = { ...path.config, http: { ...path.config.http, ports } }
      const starting = [path.addSpooler(config), path.addAgent(config)]
      await sleep(1500)
      for (const port of [ports.spooler, ports['delivery-agent']]) {
        expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(503)
        expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200)
      }
      await path.server.start()
      await Promise.all(starting)
      await path.untilEvent('delivery', id, 2, 15_000)
      await path.untilEmpty()
      expectOnce(path, [id])
    })
  }, 30_000)
})

describe.concurrent('SIGTERM', () => {
  it('R-shutdown: a delivery in hand is finished, and nothing more is taken', async () => {
    await withPath({ farEnd: { slowMs: 1200 }, agents: 0 }, async (path) => {
      const agent = await path.addAgent()
      const slow = await path.send({ to: ['slow@far.test'] })
      await path.untilEvent('attempt', slow)
      await sleep(200)
      const closing = agent.close()
      const later = await path.send({ to: ['ok@far.test'] })
      await closing
      expect(path.events('delivery', slow)).toHaveLength(1)
      expect(path.events('delivery', later)).toHaveLength(0)
      await path.addAgent()
      await path.untilEvent('delivery', later)
      await path.untilEmpty()
      expectOnce(path, [slow, later])
    })
  }, 30_000)

  it('R-shutdown: what cannot be finished in the grace time before its dot is handed back, and that is no attempt', async () => {
    await withPath({ config: 'shutdownGrace: 3500ms', agents: 0 }, async (path) => {
      const agent = await path.addAgent()
      const stuck = await path.send({ to: ['never-answer-rcpt@far.test'] })
      await path.untilEvent('attempt', stuck)
      const startedAt = performance.now()
      await agent.close()
      expect(performance.now() - startedAt).toBeLessThan(3500)
      expect(path.events('hand-back', stuck)).toHaveLength(1)
      expect(await path.redis.hget(`sluice{00}:far:${stuck}`, 'ats')).toBe('0')
      expect((await path.trace(stuck))?.tasks).toMatchObject([{ state: 'waiting', task: { attempts: [] } }])
      await path.addAgent()
      await path.untilEvent('attempt', stuck, 2)
      expect(path.events('attempt', stuck)[1]?.fields.attempt).toBe(1)
      const asked = (): number =>
        path.far.connections.filter(({ commands }) => commands.some((line) => line.startsWith('RCPT'))).length
      await path.until(() => asked() === 2, 'the second conversation to be stuck, too')
      path.far.dropAll()
      await path.untilEvent('deferral', stuck)
    })
  }, 30_000)

  it('R-shutdown: far ends that have not come to the content keep nobody for long, one that is slow at the dot does', async () => {
    await withPath({ config: 'shutdownGrace: 5m', farEnd: { slowMs: 40_000 }, agents: 0 }, async (path) => {
      path.two.set({ silentAt: 'greeting' })
      const agent = await path.addAgent()
      const [slow, stuck] = [await path.send({ to: ['slow@far.test'] }), await path.send({ to: ['ok@two.test'] })]
      await path.until(() => path.two.connections.length === 1 && commandsWith(path, 'DATA') === 1, 'both to be under way')
      const startedAt = performance.now()
      const closing = agent.close()
      await path.untilEvent('hand-back', stuck, 1, 45_000)
      expect(performance.now() - startedAt).toBeGreaterThan(29_000)
      expect(path.events('delivery', slow)).toHaveLength(0)
      // Told before it is recorded.
      await path.until(async () => (await path.redis.hget(`sluice{00}:two:${stuck}`, 'ats')) === '0', 'no attempt to be counted')
      expect((await path.trace(stuck))?.tasks).toMatchObject([{ state: 'waiting', task: { attempts: [] } }])
      // The time that was waited for it is nobody's failure: another agent dials at once.
      const another = await path.addAgent()
      await path.untilEvent('attempt', stuck, 2)
      expect(path.events('attempt', stuck)[1]?.fields.attempt).toBe(1)
      path.two.set({ silentAt: 'rset' })
      path.two.dropAll()
      await closing
      expect(performance.now() - startedAt).toBeLessThan(60_000)
      expect(path.events('delivery', slow)).toHaveLength(1)
      expect(path.events('hand-back', slow)).toHaveLength(0)
      expectOnce(path, [slow])
      await another.close()
    })
  }, 120_000)

  it('ends in time also while Redis is away', async () => {
    await withPath({ config: 'shutdownGrace: 4s' }, async (path) => {
      await path.send({ to: ['slow@far.test'] })
      await path.untilEvent('attempt')
      const agent = await path.addAgent()
      await path.server.kill()
      const startedAt = performance.now()
      await agent.close()
      expect(performance.now() - startedAt).toBeLessThan(5000)
      await path.server.start()
    })
  }, 30_000)
})

describe.concurrent('SIGTERM while Redis is away', () => {
  it('R-shutdown: who has nothing in hand leaves at once, whatever the grace time; who has, stays', async () => {
    await withPath({ config: 'shutdownGrace: 10m', farEnd: { slowMs: 6000 }, agents: 0, spoolers: 0 }, async (path) => {
      const [busy, spooler] = [await path.addAgent(), await path.addSpooler()]
      const slow = await path.send({ to: ['slow@far.test'] })
      await path.untilEvent('attempt', slow)
      const idle = await path.addAgent()
      await sleep(500)
      await path.server.kill()
      const startedAt = performance.now()
      const closing = busy.close()
      await Promise.all([idle.close(), spooler.close()])
      expect(performance.now() - startedAt).toBeLessThan(5000)
      await path.untilEvent('delivery', slow)
      let isGone = false
      void closing.then(() => {
        isGone = true
      })
      await sleep(2500)
      expect(isGone).toBe(false)
      await path.server.start()
      await closing
      await path.addSpooler()
      await path.untilEmpty()
      expectOnce(path, [slow])
    })
  }, 60_000)
})

describe.concurrent('SIGTERM while Redis is away for longer than a lock lasts', () => {
  it('R-shutdown: what far ends took meanwhile, or take then, is recorded within the grace time: nothing goes twice', async () => {
    await withPath({ config: 'shutdownGrace: 10m', farEnd: { slowMs: 3000 }, agents: 0 }, async (path) => {
      path.two.set({ slowMs: 22_000 })
      const agent = await path.addAgent()
      const [taken, late] = [await path.send({ to: ['slow@far.test'] }), await path.send({ to: ['slow@two.test'] })]
      await path.until(() => [path.far, path.two].every((end) => datas(end) === 1), 'both to be under way')
      // The far ends have the content a moment after their reply to DATA.
      await sleep(500)
      await path.server.kill()
      await path.untilEvent('delivery', taken)
      let isGone = false
      const closing = agent.close().then(() => {
        isGone = true
      })
      await path.untilEvent('delivery', late, 1, 40_000)
      await sleep(3000)
      expect(isGone).toBe(false)
      await path.server.start()
      await closing
      await path.addAgent()
      await path.untilEmpty(30_000)
      expectOnce(path, [taken])
      expect(path.got(path.two, late)).toHaveLength(1)
      expect(path.events('recovery')).toEqual([])
    })
  }, 120_000)
})

describe.concurrent('an agent with more sessions than places', () => {
  it('makes room: a destination with much to do does not keep it from another', async () => {
    await withPath({ config: 'delivery: { sessions: 1 }', far: 'connections: 2', farEnd: { delayMs: 60 } }, async (path) => {
      const many: string[] = []
      for (let i = 0; i < 40; i++) many.push(await path.send({ to: [`m+${i}@far.test`] }))
      await path.untilEvent('delivery')
      const other = await path.send({ to: ['other@two.test'] })
      await path.untilEvent('delivery', other)
      expect(path.events('delivery').length).toBeLessThan(many.length)
      await path.untilEmpty(20_000)
      expectOnce(path, many)
    })
  }, 40_000)
})
