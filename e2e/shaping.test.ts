/** Limits that hold for the whole cluster: what several agents and spoolers make of policies, curbs and shares at a real far end. */
import type { FarEndMessage } from '@sluice/testkit'
import { startFarEnd } from '@sluice/testkit'
import { describe, expect, it } from 'vitest'
import { until, withPath } from './support/path.ts'

const CLASSES = 'classes: [{ name: bulk, share: 1, match: { header: { name: Precedence, pattern: bulk } } }]'

/** The most messages that were under way at once, of those that began in a span of time. */
const mostAtOnce = (messages: readonly FarEndMessage[], from = 0, to = Number.POSITIVE_INFINITY): number =>
  Math.max(
    0,
    ...messages
      .filter(({ startedAt }) => startedAt >= from && startedAt < to)
      .map(({ startedAt }) => messages.filter((other) => other.startedAt <= startedAt && other.receivedAt > startedAt).length),
  )
const isBulk = ({ recipients }: FarEndMessage): boolean => recipients.some(({ address }) => address.startsWith('bulk'))
const count = (messages: readonly FarEndMessage[], of: (message: FarEndMessage) => boolean): number => messages.filter(of).length

/** Real time on a machine that others use too: what is wrong fails each time. */
describe.concurrent('shaping', { retry: 2 }, () => {
  it('keeps connections and rate of a site over three agents, two spoolers and two classes', async () => {
    const config = `${CLASSES}\npolicies: [{ match: { site: 127.0.0.1, route: far }, connections: 4, rate: 40/s }]`
    await withPath({ config, farEnd: { delayMs: 15 }, agents: 3, spoolers: 2 }, async (path) => {
      const send = (i: number) =>
        path.send(i % 2 === 0 ? { to: [`ok+${i}@far.test`] } : { to: [`bulk+${i}@far.test`], class: 'bulk' })
      await Promise.all(Array.from({ length: 500 }, (_, i) => send(i)))
      await path.far.received(260, 25_000)
      const times = path.far.messages.map(({ startedAt }) => startedAt).sort((a, b) => a - b)
      const pace = ((times.length - 11) * 1000) / (times.at(-1)! - times[10]!)
      expect(pace).toBeLessThan(42.5)
      expect(pace).toBeGreaterThan(25)
      expect(mostAtOnce(path.far.messages)).toBeLessThanOrEqual(4)
      const firsts = path.far.messages.slice(0, 200)
      expect(count(firsts, isBulk)).toBeGreaterThan(5)
      expect(count(firsts, isBulk)).toBeLessThan(60)
      for (const name of ['far', 'far/bulk']) await path.verbs.hold(name)
    })
  }, 60_000)

  it('brings mail of a greater share through within two seconds while a thousand of bulk wait, which goes on', async () => {
    const config = `${CLASSES}\npolicies: [{ match: { route: far, site: 127.0.0.1 }, connections: 3 }]`
    await withPath({ config, farEnd: { delayMs: 12 }, agents: 2, spoolers: 2 }, async (path) => {
      await Promise.all(Array.from({ length: 1000 }, (_, i) => path.send({ to: [`bulk+${i}@far.test`], class: 'bulk' })))
      await path.far.received(20, 20_000)
      const waits: number[] = []
      const before = path.far.messages.length
      for (let i = 0; i < 8; i++) {
        const sentAt = Date.now()
        const id = await path.send({ to: [`urgent+${i}@far.test`] })
        await until(() => path.got(path.far, id).length > 0, 'the urgent mail', 10_000)
        waits.push(path.got(path.far, id)[0]!.receivedAt - sentAt)
      }
      expect(Math.max(...waits)).toBeLessThan(2000)
      expect(count(path.far.messages.slice(before), isBulk)).toBeGreaterThan(8)
      expect(count(path.far.messages, isBulk)).toBeLessThan(1000)
      for (const name of ['far', 'far/bulk']) await path.verbs.hold(name)
    })
  }, 60_000)

  it('opens fewer connections to a far end that says "too many", and comes back to the limit step by step', async () => {
    const rule = 'replyRules: [{ name: too-many-connections, match: { text: "too many connections" }, connections: 2, for: 4s }]'
    const config = `${rule}\ndelivery: { idleConnection: 0s }`
    await withPath({ config, far: 'connections: 8', farEnd: { delayMs: 25, maxConnections: 4 }, agents: 3 }, async (path) => {
      let sent = 0
      const feed = async (more: number): Promise<void> => {
        await Promise.all(Array.from({ length: more }, () => path.send({ to: [`ok+${sent++}@far.test`] })))
      }
      await feed(250)
      await path.untilEvent('curb', undefined, 1, 20_000)
      path.far.set({ maxConnections: 100 })
      const curbedAt = Date.now()
      expect(path.events('curb')[0]?.fields).toMatchObject({
        rule: 'too-many-connections',
        site: 'far',
        actions: ['connections'],
      })
      expect((await path.verbs.queue()).find(({ destination }) => destination === 'far')?.curb).toMatchObject({
        reason: expect.stringContaining('too many connections'),
      })
      await until(() => Date.now() > curbedAt + 3000, 'three seconds', 10_000)
      expect(mostAtOnce(path.far.messages, curbedAt + 1000, curbedAt + 3000)).toBeLessThanOrEqual(2)
      await feed(500)
      await until(() => mostAtOnce(path.far.messages, curbedAt + 4500) >= 7, 'all connections again', 25_000)
      expect(mostAtOnce(path.far.messages)).toBeLessThanOrEqual(8)
      await path.verbs.hold('far')
    })
  }, 90_000)

  it('leaves a site alone that says 4.7.x, its mail untouched, and goes on after the pause', async () => {
    const config = 'replyRules: [{ name: reputation, match: { enhanced: "4.7.*" }, pause: 10m }]'
    await withPath({ config, far: 'connections: 1', farEnd: { replies: { mail: '450 4.7.28 slow down' } } }, async (path) => {
      for (let i = 0; i < 10; i++) await path.send({ to: [`ok+${i}@far.test`] })
      await path.untilEvent('curb')
      const stateOf = async () => (await path.verbs.queue()).find(({ destination }) => destination === 'far')
      await path.until(async () => (await stateOf())?.sessions === 0, 'the site to be left alone')
      expect(await stateOf()).toMatchObject({
        waiting: 9,
        delayed: 1,
        paused: { reason: expect.stringContaining('rule reputation: ') },
      })
      path.far.set({ replies: {} })
      await path.advance(8 * 60_000)
      expect(path.far.messages).toHaveLength(0)
      expect(path.far.connections).toHaveLength(1)
      await path.advance(4 * 60_000)
      await path.far.received(9, 20_000)
      await path.verbs.retry('far')
      await path.untilEmpty(20_000)
    })
  }, 60_000)

  it('tries again soon where a far end greylists, and leaves the schedule its attempts', async () => {
    await withPath({ farEnd: { replies: { rcpt: '450 4.7.1 Greylisted, please come back later' } } }, async (path) => {
      const id = await path.send({ to: ['ok@far.test'] })
      await path.untilEvent('deferral', id)
      await path.advance(6.1 * 60_000)
      await path.untilEvent('deferral', id, 2)
      path.far.set({ replies: {} })
      await path.advance(6.1 * 60_000)
      await path.untilEvent('delivery', id)
      const attempts = (await path.trace(id))?.history[0]?.attempts
      expect(attempts?.map(({ n, early }) => `${n} ${early ?? false}`)).toEqual(['1 true', '2 true', '3 false'])
    })
  }, 40_000)

  it('begins with one connection to a site that comes back from the dead, and doubles', async () => {
    await withPath({ agents: 2, config: 'delivery: { idleConnection: 0s }' }, async (path) => {
      await Promise.all(Array.from({ length: 400 }, (_, i) => path.send({ to: [`ok+${i}@dead.test`] })))
      const isLeftAlone = async () =>
        (await path.verbs.queue()).some(({ backoff, sessions }) => backoff !== null && sessions === 0)
      await path.until(isLeftAlone, 'the dead site to be left alone', 20_000)
      const port = path.config.routes.find(({ name }) => name === 'dead')!.hosts[0]!.port
      const risen = await startFarEnd({ port, delayMs: 30 })
      try {
        await path.advance(60_000)
        await risen.received(1, 20_000)
        const first = risen.messages[0]!.receivedAt
        await until(() => mostAtOnce(risen.messages, first + 6000) >= 4, 'four connections', 25_000)
        expect(mostAtOnce(risen.messages, first, first + 2500)).toBe(1)
        expect(mostAtOnce(risen.messages, first, first + 5500)).toBeLessThanOrEqual(2)
        await path.verbs.hold('dead')
      } finally {
        await risen.stop()
      }
    })
  }, 90_000)

  it('does not hold notices for the cap on the gateway', async () => {
    await withPath({ config: 'spooler: { rate: 30/min }' }, async (path) => {
      await Promise.all(Array.from({ length: 30 }, (_, i) => path.send({ to: [`ok+${i}@far.test`] })))
      await path.far.received(2)
      for (let i = 0; i < 10; i++) await path.send({ to: [`ok+${i}@two.test`], class: 'notices' })
      await path.two.received(10, 6000)
      expect(path.far.messages.length).toBeLessThan(9)
      for (const name of ['far', 'two']) await path.verbs.hold(name)
    })
  }, 40_000)
})
