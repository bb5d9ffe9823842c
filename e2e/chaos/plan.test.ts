import { describe, expect, it } from 'vitest'
import { planOf } from './plan.ts'

describe('the faults of a run', () => {
  it('are the same in the same order for the same seed', () => {
    expect(planOf(7, 200, 150_000)).toEqual(planOf(7, 200, 150_000))
    expect(planOf(8, 200, 150_000)).not.toEqual(planOf(7, 200, 150_000))
  })

  it.each([20, 200, 1000])('hold at least %s kills, and every kind', (kills) => {
    const all = [...planOf(1, kills, 150_000).values()].flat()
    expect(all.filter(({ kind }) => kind === 'kill').length).toBeGreaterThanOrEqual(kills)
    const kinds = ['kill', 'freeze', 'cut-redis', 'cut-far', 'disk-full', 'far-fails']
    expect(new Set(all.map(({ kind }) => kind))).toEqual(new Set(kinds))
  })
})
