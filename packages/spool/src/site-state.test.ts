import { describe, expect, it } from 'vitest'
import { siteStateOf } from './site-state.ts'

const NOW = 1_000_000
const fields = (over: Record<number, string>): (string | null)[] => Array.from({ length: 9 }, (_, i) => over[i] ?? null)
const curb = (until: number, connections: number, intervalUs: number) =>
  fields({ 4: String(until), 5: '1000', 6: String(connections), 7: String(intervalUs), 8: 'rule busy: 421 no' })
const GRANT = ['20', '0']

describe('what holds a site back', () => {
  it('is nothing where nothing stands, or it has passed', () => {
    const nothing = { backoff: null, paused: null, curb: null }
    expect(siteStateOf([], GRANT, NOW)).toEqual(nothing)
    expect(siteStateOf(fields({ 0: '999', 1: 'refused', 2: '999', 3: 'x' }), GRANT, NOW)).toEqual(nothing)
    expect(siteStateOf(curb(NOW - 4000, 2, 0), GRANT, NOW)).toEqual(nothing)
  })

  it('tells pauses with their reasons', () => {
    const told = siteStateOf(fields({ 0: '1000001', 1: 'refused', 2: '1000002', 3: 'suspended by anna' }), GRANT, NOW)
    expect(told.backoff).toEqual({ until: 1_000_001, reason: 'refused' })
    expect(told.paused).toEqual({ until: 1_000_002, reason: 'suspended by anna' })
  })

  it.each([
    [NOW + 500, 2],
    [NOW, 4],
    [NOW - 1000, 8],
    [NOW - 2000, 16],
  ])('tells the limits of a curb as they are now, and when they are the policy’s again: %i', (until, connections) => {
    expect(siteStateOf(curb(until, 2, 0), GRANT, NOW).curb).toEqual({
      until: until + 3000,
      connections,
      intervalUs: null,
      reason: 'rule busy: 421 no',
    })
  })

  it('eases a rate down to the policy’s, or to none', () => {
    expect(siteStateOf(curb(NOW, 0, 64_000), ['20', '8000'], NOW).curb).toMatchObject({ until: NOW + 2000, intervalUs: 32_000 })
    expect(siteStateOf(curb(NOW, 0, 64_000), GRANT, NOW).curb).toMatchObject({ until: NOW + 5000, intervalUs: 32_000 })
  })
})
