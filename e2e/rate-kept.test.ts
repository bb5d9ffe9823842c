/** A rate is kept, evenly, by any number of delivery-agents: for one destination over a minute, and for the whole gateway. */
import { describe, expect, it } from 'vitest'
import { startAgent } from './support/agent.ts'
import { eventually } from './support/gateway.ts'
import { startLoad } from './support/load.ts'
import { routesTo, useFarEnd, useSluice, useStarted } from './support/scene.ts'

// The first takes its time, so that a rate of ten a second needs several sessions at once.
const slow = useFarEnd({ slowMs: 400 })
const one = useFarEnd()
const two = useFarEnd()
const paced = useSluice(() => routesTo({ slow }, 'rate: 600/min'))
const capped = useSluice(() => `spooler: { rate: 20/s }\n${routesTo({ one, two })}`)
const pacedAgent = useStarted(() => startAgent(paced.folder))
useStarted(() => startAgent(capped.folder))

/** How many arrived in each second after the first arrival. */
const perSecond = (arrivals: readonly number[], seconds: number): number[] => {
  const first = Math.min(...arrivals)
  return Array.from({ length: seconds }, (_, n) => arrivals.filter((at) => Math.floor((at - first) / 1000) === n).length)
}

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0)

/** Waits until somebody has got mail for longer than so many seconds. */
const through = (seconds: number, arrivals: () => number[]): Promise<unknown> =>
  eventually(
    `${seconds} s of mail`,
    () => {
      const times = arrivals()
      return times.length > 0 && Math.max(...times) - Math.min(...times) > seconds * 1000
    },
    (seconds + 60) * 1000,
  )

describe.concurrent('rates', () => {
  it('600 a minute to one destination, by two delivery-agents: within 5 % over a minute, and even in every second', async () => {
    const SECONDS = 60
    const load = startLoad({ port: paced.smtpPort, count: 660, to: (n) => `slow+${n}@slow.test` })
    await load.done
    const arrivals = (): number[] => slow.messages.map(({ startedAt }) => startedAt)
    await through(SECONDS, arrivals)
    const counts = perSecond(arrivals(), SECONDS)
    expect(sum(counts)).toBeGreaterThanOrEqual(570)
    expect(sum(counts)).toBeLessThanOrEqual(630)
    // The minute is exact; a second may be off where the machine that measures it is busy, but never by half.
    expect(counts.slice(1).filter((count) => count < 6 || count > 14)).toEqual([])
    expect(pacedAgent.count('delivery')).toBeGreaterThan(0)
    expect(paced.events('delivery').length).toBeGreaterThan(0)
  })

  it('spooler.rate caps the whole gateway: 20 a second, over all destinations and delivery-agents', async () => {
    const SECONDS = 15
    const load = startLoad({ port: capped.smtpPort, count: 400, to: (n) => `m${n}@${n % 2 === 0 ? 'one' : 'two'}.test` })
    await load.done
    const arrivals = (): number[] => [one, two].flatMap(({ messages }) => messages.map(({ startedAt }) => startedAt))
    await through(SECONDS, arrivals)
    const counts = perSecond(arrivals(), SECONDS)
    expect(sum(counts)).toBeGreaterThanOrEqual(285)
    expect(sum(counts)).toBeLessThanOrEqual(315)
    expect(counts.slice(1).filter((count) => count < 16 || count > 24)).toEqual([])
    for (const far of [one, two]) expect(far.messages.length).toBeGreaterThan(0)
  })
})
