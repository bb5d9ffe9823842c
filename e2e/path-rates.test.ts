/** Rates are kept, evenly, by any number of agents and spoolers. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FarEndMessage } from '@sluice/testkit'
import { describe, expect, it } from 'vitest'
import { withPath } from './support/path.ts'

const startsOf = (messages: FarEndMessage[]): number[] => messages.map(({ startedAt }) => startedAt).sort((a, b) => a - b)
const gapsOf = (times: number[]): number[] => times.slice(1).map((at, i) => at - times[i]!)

/** Messages a second between the first and the last, the first two left out: a clock that stood still may catch up by one. */
const paceOf = (times: number[]): number => ((times.length - 3) * 1000) / (times.at(-1)! - times[2]!)

/** Real time on a machine that others use too: a pace that is wrong fails each time. */
describe.concurrent('rates', { retry: 2 }, () => {
  it('of a destination are kept within 5 % and evenly by two agents and two spoolers', async () => {
    await withPath({ far: 'rate: 10/s', agents: 2, spoolers: 2 }, async (path) => {
      await Promise.all(Array.from({ length: 150 }, (_, i) => path.send({ to: [`ok+${i}@far.test`] })))
      await sleep(10_000)
      const times = startsOf(path.far.messages)
      expect(paceOf(times)).toBeGreaterThan(9.5)
      expect(paceOf(times)).toBeLessThan(10.5)
      expect(Math.max(...gapsOf(times.slice(2)))).toBeLessThan(450)
      for (const [i, at] of times.entries()) expect(times.slice(i).filter((later) => later < at + 1000).length).toBeLessThan(14)
      expect(times.length).toBeGreaterThan(90)
      await path.verbs.hold('far')
    })
  }, 40_000)

  it('of the whole gateway cap what leaves for all destinations together', async () => {
    await withPath({ config: 'spooler: { rate: 20/s }', agents: 2 }, async (path) => {
      await Promise.all(Array.from({ length: 150 }, (_, i) => path.send({ to: [`ok+${i}@${i % 2 === 0 ? 'far' : 'two'}.test`] })))
      await path.redis.config('RESETSTAT')
      await sleep(6000)
      const stats = await path.redis.info('commandstats')
      const times = startsOf([...path.far.messages, ...path.two.messages])
      expect(paceOf(times)).toBeGreaterThan(19)
      expect(paceOf(times)).toBeLessThan(21)
      expect(path.two.messages.length).toBeGreaterThan(times.length * 0.2)
      expect(path.far.messages.length).toBeGreaterThan(times.length * 0.2)
      const calls = Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1])
      expect(calls / times.length).toBeLessThan(6)
      for (const name of ['far', 'two']) await path.verbs.hold(name)
    })
  }, 40_000)

  it('that are slow let a session sleep in the queue, without its permit', async () => {
    await withPath({ far: 'rate: 15/min' }, async (path) => {
      for (let i = 0; i < 5; i++) await path.send({ to: [`ok+${i}@far.test`] })
      await path.far.received(2)
      const isAsleep = async (): Promise<boolean> =>
        (await path.redis.zcard('sluice{00}:delivery:delayed')) > 0 && (await path.redis.exists('sluice{00}:permits:far')) === 0
      await path.until(isAsleep, 'what is open to sleep, and no permit to be held')
      await path.far.received(4, 10_000)
      const gaps = gapsOf(startsOf(path.far.messages)).slice(1)
      for (const gap of gaps) expect(Math.abs(gap - 4000)).toBeLessThan(700)
      await path.verbs.hold('far')
    })
  }, 40_000)

  it('leave the limit of connections alone: one is never exceeded', async () => {
    await withPath({ far: 'connections: 1', farEnd: { delayMs: 5 }, agents: 2, spoolers: 2 }, async (path) => {
      for (let i = 0; i < 60; i++) await path.send({ to: [`ok+${i}@far.test`] })
      await path.untilEmpty(15_000)
      expect(path.far.messages).toHaveLength(60)
      const spans = path.far.messages.map(({ startedAt, receivedAt }) => [startedAt, receivedAt] as const)
      spans.sort(([a], [b]) => a - b)
      expect(spans.every(([start], i) => i === 0 || start >= spans[i - 1]![1])).toBe(true)
    })
  }, 40_000)
})

describe('with nothing to do', () => {
  it('the services ask Redis a few times a second, also when mail waits that may not leave', async () => {
    await withPath({ agents: 2, spoolers: 2 }, async (path) => {
      await path.verbs.hold('far')
      for (let i = 0; i < 50; i++) await path.send({ to: [`ok+${i}@far.test`] })
      for (let i = 0; i < 20; i++) await path.send({ to: [`ok+${i}@dead.test`] })
      const isBackingOff = async () =>
        (await path.verbs.queue()).some(({ backoff, sessions }) => backoff !== null && sessions === 0)
      await path.until(isBackingOff, 'the dead site to be left alone')
      await sleep(500)
      const callsOf = async (): Promise<number> =>
        Number(/total_commands_processed:(\d+)/.exec(await path.redis.info('stats'))?.[1])
      const cpuOf = (): number => process.cpuUsage().user + process.cpuUsage().system
      const [calls, cpu] = [await callsOf(), cpuOf()]
      await sleep(3000)
      const commands = ((await callsOf()) - calls) / 3
      expect(commands).toBeLessThan(80)
      expect((cpuOf() - cpu) / 3_000_000).toBeLessThan(0.25)
      expect(await path.redis.zcount('sluice{00}:due', '-inf', path.now() - 1000)).toBe(0)
    })
  })
})
