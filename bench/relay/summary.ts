/** What several runs of one contender in one case say together: medians, and whether all was exact. */
import { median } from '../support/numbers.ts'
import type { Result } from './measure.ts'

export type Summary = {
  contender: string
  case: string
  exact: boolean
  /** What was not, in words; '' when all was. */
  fault: string
  perSecond: number
  cpuUs: Record<string, number>
  /** Of the contender alone, without source and sink. */
  ownCpuUs: number
  busyShare: number
  /** The largest of all runs, by stage. */
  peakBytes: Record<string, number>
  redis: { scripts: number; all: number } | null
  p50Ms: number | null
  p99Ms: number | null
}

const NOT_OWN = new Set(['source', 'sink'])

const faultOf = ({ sent, arrived, doubles, spoiled }: Result): string =>
  [
    ...(arrived === sent ? [] : [`${sent - arrived} of ${sent} lost`]),
    ...(doubles === 0 ? [] : [`${doubles} doubled`]),
    ...(spoiled === 0 ? [] : [`${spoiled} spoiled`]),
  ].join(', ')

const merged = (
  results: readonly Result[],
  pick: (result: Result) => Record<string, number>,
  of: (values: number[]) => number,
): Record<string, number> => {
  const names = new Set(results.flatMap((result) => Object.keys(pick(result))))
  return Object.fromEntries([...names].map((name) => [name, of(results.map((result) => pick(result)[name] ?? 0))]))
}

const ownCpu = (cpuUs: Record<string, number>): number =>
  Object.entries(cpuUs).reduce((sum, [stage, us]) => (NOT_OWN.has(stage) ? sum : sum + us), 0)

/** @param results of one contender in one case; at least one */
export const summarize = (results: readonly Result[]): Summary => {
  const first = results[0]
  if (first === undefined) throw new Error('nothing to sum up')
  const faults = results.map(faultOf).filter((fault) => fault !== '')
  const over = (pick: (result: Result) => number | null): number | null => {
    const values = results.map(pick)
    return values.includes(null) ? null : median(values as number[])
  }
  const scripts = over(({ redis }) => redis?.scripts ?? null)
  const all = over(({ redis }) => redis?.all ?? null)
  return {
    contender: first.contender,
    case: first.case,
    exact: faults.length === 0,
    fault: faults.join('; '),
    perSecond: median(results.map(({ perSecond }) => perSecond)),
    cpuUs: merged(results, ({ cpuUs }) => cpuUs, median),
    ownCpuUs: median(results.map(({ cpuUs }) => ownCpu(cpuUs))),
    busyShare: median(results.map(({ busyShare }) => busyShare)),
    peakBytes: merged(
      results,
      ({ peakBytes }) => peakBytes,
      (values) => Math.max(...values),
    ),
    redis: scripts === null || all === null ? null : { scripts, all },
    p50Ms: over(({ latency }) => latency?.p50Ms ?? null),
    p99Ms: over(({ latency }) => latency?.p99Ms ?? null),
  }
}

/** How many times better than Postfix; null without one. */
export const ratioToPostfix = (summary: Summary, all: readonly Summary[]): number | null => {
  const postfix = all.find((each) => each.case === summary.case && each.contender === 'Postfix')
  if (postfix === undefined) return null
  if (summary.p50Ms !== null && postfix.p50Ms !== null) return postfix.p50Ms / summary.p50Ms
  return summary.perSecond / postfix.perSecond
}
