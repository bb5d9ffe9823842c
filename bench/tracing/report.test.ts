import { describe, expect, it } from 'vitest'
import type { Result } from '../relay/measure.ts'
import { faultOf, type Run, tracingTable } from './report.ts'
import { readSpans, WAYS } from './ways.ts'

const runOf = (perSecond: number, ownUs: number, exported = 0, over: Partial<Result> = {}): Run => ({
  result: {
    ...{ contender: 'off', case: '2k20', sent: 100, arrived: 100, doubles: 0, spoiled: 0, tookMs: 1000, busyShare: 0.5 },
    ...{ perSecond, cpuUs: { ingress: ownUs, source: 1000 }, peakBytes: {}, redis: null, latency: null },
    ...over,
  },
  spans: { exported, failed: 0, dropped: 0 },
  collectorUs: 0,
})

const [off, , every] = WAYS as [(typeof WAYS)[0], (typeof WAYS)[0], (typeof WAYS)[0]]

describe('the table of what tracing costs', () => {
  it('compares each run with the run of off beside it, and tells the spread', () => {
    const all = new Map([
      [off, [runOf(1000, 100), runOf(500, 100), runOf(1000, 200)]],
      [every, [runOf(900, 120, 800), runOf(400, 150, 800), runOf(950, 260, 800)]],
    ])
    const { rows } = tracingTable('a case', all, 'today')
    expect(rows[0]).toEqual(['a case', 'off', '1000/s', '1.00', '100 µs', '1.00', '0', '0 µs', 'yes', 'today'])
    expect(rows[1]).toMatchObject({ 2: '900/s', 3: '0.90 (0.80–0.95)', 5: '1.30 (1.20–1.50)', 6: '8.00, 0.00' })
  })
})

describe('a run is worth nothing', () => {
  it.each<[string, string, (typeof WAYS)[0], Run]>([
    ['that lost mail', '1 of 100 lost', off, runOf(1, 1, 0, { arrived: 99 })],
    ['off with spans', 'OTEL_', off, runOf(1, 1, 5)],
    ['on without spans', 'no span', every, runOf(1, 1)],
    ['whose spans were refused', 'failed', every, { ...runOf(1, 1, 5), spans: { exported: 5, failed: 3, dropped: 0 } }],
  ])('%s', (_, words, way, run) => {
    expect(faultOf(way, run)).toContain(words)
  })

  it('unless all is well', () => {
    expect(faultOf(off, runOf(1, 1))).toBe('')
    expect(faultOf(every, runOf(1, 1, 800))).toBe('')
  })
})

it('spans are summed over services', () => {
  const lines = ['ingress', 'delivery-agent'].map(
    (service) => `sluice_trace_spans_total{result="exported",service="${service}"} 21\n`,
  )
  expect(readSpans(lines.join('# HELP between\n'))).toEqual({ exported: 42, failed: 0, dropped: 0 })
})
