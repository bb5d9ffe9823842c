/** What becomes of spans. Zero while tracing is off. */
import type { Metrics } from '@sluice/runtime'
import { Counter } from 'prom-client'

const RESULTS = ['exported', 'failed', 'dropped'] as const
export type SpanResult = (typeof RESULTS)[number]

export type CountSpans = (result: SpanResult, count: number) => void

export const createTracingFigures = (registry: Metrics): CountSpans => {
  const spans = new Counter({
    name: 'sluice_trace_spans_total',
    help: 'Spans of sampled traces: exported (the collector took them), failed (it did not), dropped (too many waited for it)',
    labelNames: ['result'] as const,
    registers: [registry],
  })
  for (const result of RESULTS) spans.inc({ result }, 0)
  return (result, count) => spans.inc({ result }, count)
}
