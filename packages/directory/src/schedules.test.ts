import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { classic, internet, nextAttemptAt, type Schedule, scheduleSpanMs } from './schedules.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** The attempts' times when each takes no time and comes exactly when due. */
const punctual = (schedule: Schedule, random: () => number): number[] => {
  const times = [0]
  for (;;) {
    const next = nextAttemptAt(schedule, times.length, 0, times.at(-1)!, random)
    if (next === null) return times
    times.push(next)
  }
}

const anySchedule = fc.record({
  name: fc.constant('own'),
  delaysMs: fc.array(fc.integer({ min: 0, max: 10 * DAY }), { minLength: 1, maxLength: 99 }),
  jitter: fc.double({ min: 0, max: 1, noNaN: true }),
})
const anyRandom = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

describe('retry schedules', () => {
  it('R-classic: one attempt at once, then 5 retries at 2, 4, 6, 8 and 10 hours, then nothing', () => {
    expect(punctual(classic, () => 0.99).map((ms) => ms / HOUR)).toEqual([0, 2, 4, 6, 8, 10])
    expect(scheduleSpanMs(classic)).toBe(10 * HOUR)
  })

  it('R-classic: internet tries early, then rarer, for 5 days', () => {
    const minutes = punctual({ ...internet, jitter: 0 }, () => 0).map((ms) => ms / 60_000)
    expect(minutes.slice(0, 8)).toEqual([0, 5, 15, 35, 75, 135, 255, 495])
    expect(minutes.at(-1)).toBe(5 * 24 * 60)
    expect(scheduleSpanMs(internet)).toBe(5 * DAY)
  })

  it('R-classic: pauses count from the first attempt, so that slow attempts do not push the rest back', () => {
    const slow = 10 * 60_000
    expect(nextAttemptAt(classic, 1, 0, slow, () => 0)).toBe(2 * HOUR)
    expect(nextAttemptAt(classic, 2, 0, 2 * HOUR + slow, () => 0)).toBe(4 * HOUR)
  })

  it('R-classic: after a late attempt the next one keeps half its pause, and none is lost', () => {
    expect(nextAttemptAt(classic, 2, 0, 9 * HOUR, () => 0)).toBe(10 * HOUR)
    expect(nextAttemptAt(classic, 5, 0, 30 * HOUR, () => 0)).toBe(31 * HOUR)
    expect(nextAttemptAt(classic, 6, 0, 31 * HOUR, () => 0)).toBeNull()
  })

  it('every schedule makes one attempt more than it has pauses, in order, and ends no earlier than its span', () => {
    fc.assert(
      fc.property(anySchedule, anyRandom, (schedule, random) => {
        const times = punctual(schedule, () => random)
        expect(times).toHaveLength(schedule.delaysMs.length + 1)
        expect(times.every((at, i) => i === 0 || at > times[i - 1]!)).toBe(true)
        expect(times.at(-1)!).toBeGreaterThanOrEqual(scheduleSpanMs(schedule))
      }),
      { numRuns: 50 },
    )
  })

  it('the next attempt is always later than now, never before its nominal time, never beyond it by more than lateness and jitter', () => {
    fc.assert(
      fc.property(anySchedule, fc.integer({ min: 1, max: 99 }), fc.nat(100 * DAY), anyRandom, (schedule, made, now, random) => {
        const next = nextAttemptAt(schedule, made, 0, now, () => random)
        const pause = schedule.delaysMs[made - 1]
        if (pause === undefined) {
          expect(next).toBeNull()
          return
        }
        const nominal = schedule.delaysMs.slice(0, made).reduce((sum, one) => sum + one, 0)
        expect(next!).toBeGreaterThan(now)
        expect(next!).toBeGreaterThanOrEqual(nominal)
        expect(next!).toBeLessThanOrEqual(Math.max(nominal, now + Math.max(1, Math.ceil(pause / 2))) + schedule.jitter * pause)
      }),
    )
  })
})
