import { describe, expect, it } from 'vitest'
import { FLOORS, misses } from './floors.ts'
import type { Result } from './measure.ts'
import { summarize } from './summary.ts'

const MIB = 2 ** 20

const resultOf = (contender: string, over: Partial<Result> = {}): Result => ({
  contender,
  case: '2k20',
  sent: 100,
  arrived: 100,
  doubles: 0,
  spoiled: 0,
  tookMs: 1000,
  perSecond: 100,
  cpuUs: { ingress: 1000, source: 50, sink: 50 },
  busyShare: 0.5,
  peakBytes: { ingress: 100 * MIB, redis: 900 * MIB },
  redis: contender === 'Sluice' ? { scripts: 1, all: 40 } : null,
  latency: null,
  ...over,
})

const missesOf = (ours: Partial<Result>): string[] => {
  const summary = summarize([resultOf('Sluice', { perSecond: 400, ...ours })])
  return misses(summary, [summary, summarize([resultOf('Postfix', { cpuUs: { smtpd: 3000 } })])])
}

describe('floors', () => {
  it('are kept by what is as good as it was', () => {
    expect(missesOf({})).toEqual([])
  })

  it.each<[string, Partial<Result>]>([
    ['times Postfix', { perSecond: 50 }],
    ['our CPU', { cpuUs: { ingress: 9000 } }],
    ['Redis commands', { redis: { scripts: 2, all: 500 } }],
    ['ingress held', { peakBytes: { ingress: 500 * MIB } }],
  ])('are missed by too little or too much: %s', (words, ours) => {
    expect(missesOf(ours)).toEqual([expect.stringContaining(words)])
  })

  it('lie below their goals', () => {
    for (const { ratio, goal } of FLOORS) expect(ratio).toBeLessThan(goal)
  })
})

describe('a summary', () => {
  it('is exact only when every run was', () => {
    expect(summarize([resultOf('Sluice'), resultOf('Sluice')]).exact).toBe(true)
    for (const fault of [{ arrived: 99 }, { doubles: 1 }, { spoiled: 1 }])
      expect(summarize([resultOf('Sluice'), resultOf('Sluice', fault)])).toMatchObject({ exact: false })
  })

  it('tells medians', () => {
    const runs = [10, 1000, 20].map((perSecond) => resultOf('Sluice', { perSecond }))
    expect(summarize(runs).perSecond).toBe(20)
  })
})
