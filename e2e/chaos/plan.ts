/**
 * What happens to whom, and in which order: made from the seed alone. Each target has a list of its own and works it off at its own
 * pace: a kill waits until the process is up again, so a slow machine takes longer, and gets the same faults.
 */

import type { CutMode } from './line.ts'
import { createRandom, type Random } from './random.ts'

export const PROCESSES = [
  'ingress-0',
  'ingress-1',
  'spooler-0',
  'spooler-1',
  'delivery-agent-0',
  'delivery-agent-1',
  'mailbox-0',
  'redis',
] as const
export type ProcessName = (typeof PROCESSES)[number]
export type Target = ProcessName | 'far-ends'

const FAR_STAGES = ['greeting', 'ehlo', 'mail', 'rcpt', 'data', 'content', 'dot'] as const
export type FarStage = (typeof FAR_STAGES)[number]

export type Fault = { afterMs: number } & (
  | { kind: 'kill'; downMs: number }
  | { kind: 'freeze'; ms: number }
  | { kind: 'cut-redis'; mode: CutMode; ms: number }
  | { kind: 'cut-far'; mode: CutMode; ms: number; far: string }
  | { kind: 'disk-full'; downMs: number }
  | { kind: 'far-fails'; stage: FarStage; how: 'refuses' | 'drops'; ms: number; far: string }
)
type Without<T> = T extends unknown ? Omit<T, 'afterMs'> : never
type Bare = Without<Fault>

export type Plan = ReadonlyMap<Target, readonly Fault[]>

/** Shares of the kills. */
const SHARES: Record<ProcessName, number> = {
  'ingress-0': 0.13,
  'ingress-1': 0.13,
  'spooler-0': 0.12,
  'spooler-1': 0.12,
  'delivery-agent-0': 0.11,
  'delivery-agent-1': 0.11,
  'mailbox-0': 0.13,
  redis: 0.15,
}
const MODES: readonly CutMode[] = ['drop', 'stall', 'blackhole', 'one-way', 'half-close']
const FARS = ['far0', 'far1', 'far2', 'soft', 'mailbox']
/** A lock of a session lasts 15 s. */
const BEYOND_A_LOCK: readonly [number, number] = [16_000, 18_500]
const SHORT: readonly [number, number] = [200, 3000]
/** What a start costs on a quiet machine, about. */
export const START_MS = 1000

const times = (count: number, scale: number, make: () => Bare): Bare[] =>
  Array.from({ length: Math.max(1, Math.round(count * scale)) }, make)

const othersOf = (name: ProcessName, scale: number, random: Random): Bare[] => {
  const freeze = (span: readonly [number, number]) => (): Bare => ({ kind: 'freeze', ms: random.between(...span) })
  const cut = (span: readonly [number, number]) => (): Bare => ({
    kind: 'cut-redis',
    mode: random.pick(MODES),
    ms: random.between(...span),
  })
  const cutFar = (): Bare => ({ kind: 'cut-far', mode: random.pick(MODES), ms: random.between(...SHORT), far: random.pick(FARS) })
  switch (name.replace(/-\d$/, '')) {
    case 'delivery-agent':
      return [
        ...times(1, scale, freeze(BEYOND_A_LOCK)),
        ...times(2, scale, freeze(SHORT)),
        ...times(3, scale, cut(SHORT)),
        ...times(1, scale, cut(BEYOND_A_LOCK)),
        ...times(6, scale, cutFar),
      ]
    case 'spooler':
      return [...times(1, scale, freeze(BEYOND_A_LOCK)), ...times(1, scale, freeze(SHORT)), ...times(3, scale, cut(SHORT))]
    case 'ingress':
      return [...times(1, scale, freeze(BEYOND_A_LOCK)), ...times(2, scale, freeze(SHORT)), ...times(4, scale, cut(SHORT))]
    case 'mailbox':
      return [...times(1, scale, freeze(BEYOND_A_LOCK)), ...times(3, scale, freeze(SHORT))]
    default:
      return [
        ...times(1, scale, freeze(BEYOND_A_LOCK)),
        ...times(2, scale, freeze(SHORT)),
        ...times(2, scale, () => ({ kind: 'disk-full', downMs: random.between(100, 1500) })),
      ]
  }
}

const lengthOf = (fault: Bare): number =>
  fault.kind === 'kill' || fault.kind === 'disk-full' ? fault.downMs + START_MS : fault.ms

/** In an order of chance, with pauses that spread them over the time. */
const spread = (faults: Bare[], overMs: number, random: Random): Fault[] => {
  const free = overMs - faults.reduce((sum, fault) => sum + lengthOf(fault), 0)
  const pauseMs = Math.max(150, free / faults.length)
  return random.shuffled(faults).map((fault): Fault => ({ ...fault, afterMs: Math.round(pauseMs * (0.3 + 1.4 * random.next())) }))
}

export const planOf = (seed: number, kills: number, overMs: number): Plan => {
  const scale = kills / 200
  const plan = new Map<Target, Fault[]>()
  for (const name of PROCESSES) {
    const random = createRandom(seed, `faults of ${name}`)
    const longest = name === 'redis' ? 600 : 1800
    const deaths = Array.from(
      { length: Math.ceil(kills * SHARES[name]) },
      (): Bare => ({
        kind: 'kill',
        downMs: random.between(50, longest),
      }),
    )
    plan.set(name, spread([...deaths, ...othersOf(name, scale, random)], overMs, random))
  }
  const random = createRandom(seed, 'faults of far ends')
  const failures = times(24, scale, () => {
    const stage = random.pick(FAR_STAGES)
    // Nobody answers in the middle of the content.
    const how = stage === 'content' ? 'drops' : random.pick(['refuses', 'drops'] as const)
    return { kind: 'far-fails', stage, how, ms: random.between(500, 3000), far: random.pick(['far0', 'far1', 'far2']) }
  })
  return plan.set('far-ends', spread(failures, overMs, random))
}
