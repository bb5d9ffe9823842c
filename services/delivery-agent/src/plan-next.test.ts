import type { Attempt, Outcome } from '@sluice/contracts'
import { describe, expect, it } from 'vitest'
import { planNext } from './plan-next.ts'

const HOUR = 3_600_000
const MINUTE = 60_000
const schedule = { name: 'test', delaysMs: [2 * HOUR, 2 * HOUR], jitter: 0 }
const deferred = (retryMs?: number): Outcome => ({
  kind: 'deferred',
  status: '4.7.1',
  reason: 'greylisted',
  reply: null,
  stage: 'rcpt',
  unknown: false,
  ...(retryMs === undefined ? {} : { retryMs }),
})
const line = (n: number, early: boolean): Attempt => ({
  n,
  at: 0,
  host: null,
  stage: 'rcpt',
  reply: '',
  ...(early ? { early } : {}),
})
const base = { schedule, before: [], attempts: 1, firstAt: 0, now: 0, random: () => 0, outcomes: [deferred()] }

describe('the next attempt', () => {
  it('follows the schedule when no rule asks for another time', () => {
    expect(planNext(base)).toEqual({ at: 2 * HOUR, early: false })
  })

  it('comes sooner when a rule asks for it, after the longest wait that it asks for', () => {
    const outcomes = [deferred(5 * MINUTE), deferred(6 * MINUTE), deferred()]
    expect(planNext({ ...base, outcomes })).toEqual({ at: 6 * MINUTE, early: true })
  })

  it('never comes later than by the schedule, nor at all once that is over', () => {
    const outcomes = [deferred(9 * HOUR)]
    expect(planNext({ ...base, outcomes })).toEqual({ at: 2 * HOUR, early: false })
    expect(planNext({ ...base, attempts: 3, now: 4 * HOUR, outcomes: [deferred(MINUTE)] })).toEqual({ at: null, early: false })
  })

  it('leaves the schedule all its attempts: tries that rules brought in do not count', () => {
    const before = [line(1, true), line(2, true)]
    expect(planNext({ ...base, before, attempts: 3, now: 10 * MINUTE })).toEqual({ at: 2 * HOUR, early: false })
    const later = [...before, line(3, false)]
    expect(planNext({ ...base, before: later, attempts: 4, now: 2 * HOUR })).toEqual({ at: 4 * HOUR, early: false })
    expect(planNext({ ...base, before: [...later, line(4, false)], attempts: 5, now: 4 * HOUR })).toEqual({
      at: null,
      early: false,
    })
  })

  it('comes sooner twenty times at most', () => {
    const before = Array.from({ length: 20 }, (_, i) => line(i + 1, true))
    const outcomes = [deferred(MINUTE)]
    expect(planNext({ ...base, before: before.slice(1), attempts: 20, now: 20 * MINUTE, outcomes }).early).toBe(true)
    expect(planNext({ ...base, before, attempts: 21, now: 20 * MINUTE, outcomes })).toEqual({ at: 2 * HOUR, early: false })
  })
})
