/** The runs of each way beside those of `off`: a ratio belongs to two runs that followed each other, and is told with its spread. */
import type { Result } from '../relay/measure.ts'
import { summarize } from '../relay/summary.ts'
import type { Table } from '../support/docs.ts'
import { median } from '../support/numbers.ts'
import type { Spans, Way } from './ways.ts'

/** `collectorUs`: CPU of the receiver, a message; no part of the gateway, though it shares the machine. */
export type Run = { result: Result; spans: Spans; collectorUs: number }

const ownUs = ({ result }: Run): number => summarize([result]).ownCpuUs

const ratios = (runs: readonly Run[], off: readonly Run[], of: (run: Run) => number): string => {
  const all = runs.flatMap((run, i) => {
    const before = off[i]
    return before === undefined ? [] : [of(run) / of(before)]
  })
  return `${median(all).toFixed(2)} (${Math.min(...all).toFixed(2)}–${Math.max(...all).toFixed(2)})`
}

/** What makes the figures of a run worthless, in words; '' when nothing does. */
export const faultOf = ({ ratio }: Way, { result, spans }: Run): string => {
  const { exported, failed, dropped } = spans
  if (failed > 0) return `${failed} spans failed`
  if (ratio === 0 && exported + dropped > 0) return 'there were spans, though tracing is off: is an OTEL_ variable set?'
  if (ratio > 0 && exported === 0) return 'no span was exported'
  return summarize([result]).fault
}

const perMessage = (runs: readonly Run[], of: (spans: Spans) => number): string =>
  median(runs.map(({ spans, result }) => of(spans) / result.sent)).toFixed(2)

const HEAD = ['case', 'tracing', 'messages', '× off', 'CPU a message', '× off', 'spans a message: exported, dropped']
const MORE = ['collector’s CPU a message', 'exact', 'measured']

/** @param all runs of each way, in the order in which they ran; `off` comes first */
export const tracingTable = (title: string, all: ReadonlyMap<Way, readonly Run[]>, measured: string): Table => {
  const [off = []] = all.values()
  const rows = [...all].map(([way, runs]) => {
    const summary = summarize(runs.map(({ result }) => result))
    const isOff = runs === off
    return [
      title,
      way.name,
      `${summary.perSecond.toFixed(0)}/s`,
      isOff ? '1.00' : ratios(runs, off, ({ result }) => result.perSecond),
      `${summary.ownCpuUs.toFixed(0)} µs`,
      isOff ? '1.00' : ratios(runs, off, ownUs),
      isOff ? '0' : `${perMessage(runs, ({ exported }) => exported)}, ${perMessage(runs, ({ dropped }) => dropped)}`,
      `${median(runs.map(({ collectorUs }) => collectorUs)).toFixed(0)} µs`,
      summary.exact ? 'yes' : `NO: ${summary.fault}`,
      measured,
    ]
  })
  return { head: [...HEAD, ...MORE], rows }
}
