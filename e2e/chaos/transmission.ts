/**
 * Which arrivals were in transmission when a fault came: the far end had the mail whole, and the gateway had no chance to learn or to
 * record it. Only these may come once more. Four faults can do that, each to what was in hand of an agent at that moment:
 *   death     kill −9 of the agent, and the task was still active in the spool afterwards
 *   away      the agent was without Redis, or frozen, long enough for a lock to lapse, with the task in hand, and another run
 *             took the task up; outages that follow each other closely count as one. Anything shorter excuses nothing
 *   cut       the line to the far end was cut, and the agent never read the reply
 *   far end   the far end itself dropped the connection after the dot, or the mailbox was killed or frozen after the rename
 */
import type { Arrival } from './arrivals.ts'
import type { Done } from './faults.ts'
import type { LogBook, Step } from './log-book.ts'

export type Cause =
  | 'agent killed'
  | 'locks lapsed'
  | 'line to the far end cut'
  | 'mailbox killed or frozen'
  | 'far end dropped it'

/** A lock is renewed when half of its 15 s are over, and a connection may take 2 s to come back. */
const LAPSES_AFTER_MS = 5_000
/** Outages that follow each other so closely are one: nothing is renewed in between. */
const ONE_OUTAGE_MS = 3_000
/** Between the far end's reply and the turn that records it. */
const ROUND_TRIP_MS = 1_000
/** Far ends read on after the death of a sender, and the slow one takes its time. */
const READ_ON_MS = 3_000
/** Clocks of several processes on one machine. */
const CLOCK_MS = 50

type Attempt = { by: string; from: number; to: number; outcome: string | null }
type Span = { from: number; to: number }
/** `active`: in hand of a session when it began, or when what it was made of began. */
type Outage = Span & { active: Set<string> }

const OUTCOMES = new Set(['delivery', 'deferral', 'bounce', 'expiry', 'parked', 'hand-back'])
const hopOf = (destination: string | null): string => (destination ?? '').split('/')[0] ?? ''

/** The attempt that brought it there, by the agents' own words. */
const attemptOf = (steps: readonly Step[], { hop, address, at }: Arrival): Attempt | null => {
  const own = steps.filter(({ destination }) => hopOf(destination) === hop)
  const begun = own.findLast((step) => step.event === 'attempt' && step.at <= at + CLOCK_MS)
  if (begun === undefined) return null
  const concerns = (step: Step): boolean => step.to === null || step.to === address
  const end = own.find(
    (step) =>
      step.by === begun.by &&
      step.at >= begun.at &&
      OUTCOMES.has(step.event) &&
      concerns(step) &&
      own.indexOf(step) > own.indexOf(begun),
  )
  return { by: begun.by, from: begun.at, to: end?.at ?? Number.POSITIVE_INFINITY, outcome: end?.event ?? null }
}

/** Outages as an agent sees them, when they were long enough. */
const outagesOf = (done: readonly Done[], name: string): Outage[] => {
  const isOutage = ({ target, fault }: Done): boolean =>
    target === 'redis' || (target === name && (fault.kind === 'freeze' || fault.kind === 'cut-redis'))
  const merged: Outage[] = []
  for (const { from, to, active } of done.filter(isOutage).sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1)
    if (last === undefined || from > last.to + ONE_OUTAGE_MS) merged.push({ from, to, active: new Set(active) })
    else {
      last.to = Math.max(last.to, to)
      for (const id of active) last.active.add(id)
    }
  }
  return merged.filter(({ from, to }) => to - from >= LAPSES_AFTER_MS)
}

/** Another run found it in hand of one that had lost its lock. */
const wasRecovered = (steps: readonly Step[], attempt: Attempt, hop: string): boolean =>
  steps.some(
    ({ event, at, destination }) =>
      (event === 'recovery' || event === 'parked') && at >= attempt.from && hopOf(destination) === hop,
  )

/** In hand when it began, or taken in a moment between its parts. */
const isInHand = (attempt: Attempt, id: string, outage: Outage): boolean =>
  attempt.from <= outage.to && (outage.active.has(id) ? attempt.to >= outage.from - ROUND_TRIP_MS : attempt.from >= outage.from)

const overlaps = (attempt: Attempt, { from, to }: Span): boolean => attempt.from <= to + CLOCK_MS && attempt.to >= from - CLOCK_MS

const isMailboxFault = ({ target, fault }: Done): boolean =>
  target === 'mailbox-0' && (fault.kind === 'kill' || fault.kind === 'freeze')

/** Local parts whose far end drops the connection after it has taken the mail. */
const isDroppedByName = (address: string): boolean => address.startsWith('disconnect-after-dot')

export const createInTransmission = (done: readonly Done[], book: LogBook) => {
  const known = new Map<string, Outage[]>()
  const outagesFor = (agent: string): Outage[] => {
    const outages = known.get(agent) ?? outagesOf(done, agent)
    known.set(agent, outages)
    return outages
  }
  const deaths = done.filter(({ target, fault }) => fault.kind === 'kill' && target.startsWith('delivery-agent'))

  /** Why this arrival may have been in vain; null: it was not in transmission at any fault. */
  return (arrival: Arrival): Cause | null => {
    const steps = book.of(arrival.id)
    const attempt = attemptOf(steps, arrival)
    if (attempt === null) return null
    const death = deaths.find(({ life }) => life === attempt.by)
    if (death?.active.has(arrival.id) && arrival.at <= death.to + READ_ON_MS) return 'agent killed'
    const agent = attempt.by.split('#')[0] ?? ''
    const lapsed = outagesFor(agent).some((outage) => isInHand(attempt, arrival.id, outage))
    if (lapsed && wasRecovered(steps, attempt, arrival.hop)) return 'locks lapsed'
    if (attempt.outcome === 'delivery') return null
    if (isDroppedByName(arrival.address)) return 'far end dropped it'
    const during = (fault: Done): boolean => overlaps(attempt, fault)
    if (arrival.hop === 'local' && done.some((fault) => isMailboxFault(fault) && during(fault))) return 'mailbox killed or frozen'
    const hop = arrival.hop === 'local' ? 'mailbox' : arrival.hop
    const cuts = done.filter(({ target, fault }) => target === agent && fault.kind === 'cut-far' && fault.far === hop)
    if (cuts.some(during)) return 'line to the far end cut'
    const drops = done.filter(({ fault }) => fault.kind === 'far-fails' && fault.far === hop && fault.how === 'drops')
    return drops.some(during) ? 'far end dropped it' : null
  }
}
export type InTransmission = ReturnType<typeof createInTransmission>
