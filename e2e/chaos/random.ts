/** Chance that a seed repeats: streams of numbers, each of its own, so that what one draws does not move the others. */

export type Random = {
  /** 0 ≤ x < 1 */
  next: () => number
  /** A whole number, both ends included. */
  between: (low: number, high: number) => number
  pick: <T>(from: readonly T[]) => T
  /** By weight. */
  weighted: <T>(from: readonly (readonly [weight: number, value: T])[]) => T
  shuffled: <T>(from: readonly T[]) => T[]
}

/** FNV-1a, 32 bits. */
const hash = (text: string): number => {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return value >>> 0
}

/** @param stream names what it is for */
export const createRandom = (seed: number, stream: string): Random => {
  let state = hash(`${seed} ${stream}`)
  // mulberry32
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1))
  const pick = <T>(from: readonly T[]): T => from[between(0, from.length - 1)]!
  return {
    next,
    between,
    pick,
    weighted: (from) => {
      let left = next() * from.reduce((sum, [weight]) => sum + weight, 0)
      for (const [weight, value] of from) {
        left -= weight
        if (left < 0) return value
      }
      return from.at(-1)![1]
    },
    shuffled: (from) => {
      const list = [...from]
      for (let i = list.length - 1; i > 0; i--) {
        const j = between(0, i)
        ;[list[i], list[j]] = [list[j]!, list[i]!]
      }
      return list
    },
  }
}
