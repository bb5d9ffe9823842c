/**
 * The shape of the queue, as Postfix's qshape shows it: how many messages of which age lie where, counted piece by piece, so that
 * a million of them block nobody. A message that moves meanwhile may be counted twice or not at all.
 */
import { partsOf } from '@sluice/contracts'
import type { Cluster, Redis } from 'ioredis'
import { createSelection, type Query } from './select.ts'

export const SHAPE_KEYS = ['destination', 'site', 'sender', 'age', 'class', 'state'] as const
export type ShapeKey = (typeof SHAPE_KEYS)[number]

/** Upper ends of the ages, ms: 5 min, doubled eight times; older ones come behind. */
export const SHAPE_AGES_MS: readonly number[] = Array.from({ length: 9 }, (_, i) => 300_000 * 2 ** i)

export type ShapeRow = { key: string; count: number /** One per age, and the older ones. */; ages: number[] }

const ageIndex = (ms: number): number => {
  const found = SHAPE_AGES_MS.findIndex((end) => ms < end)
  return found === -1 ? SHAPE_AGES_MS.length : found
}

const UNKNOWN = '?'

/** @param look called after each piece with how many were looked at so far. @returns the fullest first */
export const createShape = ({ redis, lanes, now }: { redis: Redis | Cluster; lanes: number; now: () => number }) => {
  const selection = createSelection({ redis, lanes })
  return async (by: ShapeKey, query: Query, look: (count: number) => void): Promise<ShapeRow[]> => {
    const rows = new Map<string, ShapeRow>()
    const startedAt = now()
    const read = by === 'sender' ? (['receivedAt', 'from'] as const) : (['receivedAt'] as const)
    let looked = 0
    for await (const found of selection.destinations(query)) {
      for (const { destination, site } of found) {
        for await (const some of selection.once(destination, query, read)) {
          looked += some.length
          look(looked)
          for (const task of some) {
            const age = ageIndex(startedAt - (task.receivedAt ?? startedAt))
            const keys: Record<ShapeKey, string> = {
              destination,
              site: site ?? UNKNOWN,
              sender: task.from === null ? UNKNOWN : `<${task.from}>`,
              age: String(age),
              class: partsOf(destination).class || 'default',
              state: task.state,
            }
            const key = keys[by]
            const row = rows.get(key) ?? { key, count: 0, ages: Array.from({ length: SHAPE_AGES_MS.length + 1 }, () => 0) }
            rows.set(key, row)
            row.count++
            row.ages[age] = (row.ages[age] ?? 0) + 1
          }
        }
      }
    }
    return [...rows.values()].sort((a, b) => (by === 'age' ? Number(a.key) - Number(b.key) : b.count - a.count))
  }
}
export type Shape = ReturnType<typeof createShape>
