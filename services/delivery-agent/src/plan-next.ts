/**
 * When a task is tried again: by its schedule, or sooner where a reply rule says so. A try that a rule brought in is one more than
 * the schedule's, and takes none of them away; so a greylisting far end that is asked every few minutes does not use up the hours
 * that the schedule allows it. At most 20 such tries.
 */
import type { Attempt, Outcome } from '@sluice/contracts'
import { nextAttemptAt, type Schedule } from '@sluice/directory'

const MOST_EARLY = 20

export type Plan = {
  /** ms since the epoch; null when the schedule is exhausted */
  at: number | null
  /** A reply rule brought it in. */
  early: boolean
}

export type PlanParts = {
  schedule: Schedule
  /** Lines of the attempts before this one. */
  before: readonly Attempt[]
  /** Attempts counted, this one included. */
  attempts: number
  /** ms since the epoch */
  firstAt: number
  now: number
  random: () => number
  outcomes: readonly Outcome[]
}

/** The longest wait that a rule asks for among the recipients that are deferred; null: none asks. */
const retryOf = (outcomes: readonly Outcome[]): number | null => {
  const asked = outcomes.flatMap((outcome) =>
    outcome.kind === 'deferred' && outcome.retryMs !== undefined ? [outcome.retryMs] : [],
  )
  return asked.length === 0 ? null : Math.max(...asked)
}

export const planNext = ({ schedule, before, attempts, firstAt, now, random, outcomes }: PlanParts): Plan => {
  const earlier = before.filter(({ early }) => early === true).length
  const at = nextAttemptAt(schedule, Math.max(1, attempts - earlier), firstAt, now, random)
  const retryMs = retryOf(outcomes)
  if (at === null || retryMs === null || earlier >= MOST_EARLY || now + retryMs >= at) return { at, early: false }
  return { at: now + retryMs, early: true }
}
