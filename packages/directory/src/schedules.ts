/**
 * Retry schedules (R-classic). A schedule is a list of pauses: one attempt at once, then one after each pause, then the notice.
 * The pauses add up **from the first attempt**: `classic` tries 2, 4, 6, 8 and 10 hours after it, however long each attempt
 * took. When an attempt came late (a hold, a stopped spooler), the next one keeps at least half its pause, so that retries
 * neither bunch up nor are lost. Guarantees: always after `now`, never before its nominal time, and exactly
 * `delaysMs.length + 1` attempts.
 */
const HOUR = 3_600_000
const MINUTE = 60_000

export type Schedule = {
  name: string
  /** ms from one attempt to the next */
  delaysMs: number[]
  /** Each pause is lengthened by a random part of it, up to this fraction. */
  jitter: number
}

/** The ancestor's, and the default: at once, then 5 retries 2 hours apart, about 10 hours in all. */
export const classic: Schedule = { name: 'classic', delaysMs: Array.from({ length: 5 }, () => 2 * HOUR), jitter: 0 }

/** For mail to the open Internet, RFC 5321 §4.5.4.1: early retries for greylisting, then every 6 hours, 5 days in all. */
export const internet: Schedule = {
  name: 'internet',
  delaysMs: [
    ...[5, 10, 20, 40].map((minutes) => minutes * MINUTE),
    ...[1, 2, 4].map((hours) => hours * HOUR),
    ...Array.from({ length: 18 }, () => 6 * HOUR),
    3.75 * HOUR,
  ],
  jitter: 0.1,
}

/** ms from the first attempt to the last, jitter left out. */
export const scheduleSpanMs = (schedule: Schedule): number => schedule.delaysMs.reduce((sum, delay) => sum + delay, 0)

/**
 * When to try again after `attemptsMade` attempts.
 * @param attemptsMade at least 1
 * @param firstAttemptAt ms since the epoch: when the first attempt began (the reception, where that is not known)
 * @param now ms since the epoch
 * @param random 0 ≤ x < 1
 * @returns ms since the epoch; null when the schedule is exhausted
 */
export const nextAttemptAt = (
  schedule: Schedule,
  attemptsMade: number,
  firstAttemptAt: number,
  now: number,
  random: () => number,
): number | null => {
  const pause = schedule.delaysMs[attemptsMade - 1]
  if (pause === undefined) return null
  const nominal = firstAttemptAt + schedule.delaysMs.slice(0, attemptsMade).reduce((sum, delay) => sum + delay, 0)
  const earliest = now + Math.max(1, Math.ceil(pause / 2))
  return Math.max(nominal, earliest) + Math.floor(random() * schedule.jitter * pause)
}
