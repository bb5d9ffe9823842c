/** The bench's words: a line per run while it goes, a block of stages per case, and the tables at the end. */
import type { Table } from '../support/docs.ts'
import type { Case } from './cases.ts'
import { floorOf } from './floors.ts'
import type { Result } from './measure.ts'
import { ratioToPostfix, type Summary } from './summary.ts'

const MIB = 2 ** 20

export const ms = (value: number): string => (value < 100 ? value.toFixed(1) : value.toFixed(0))
const us = (value: number): string => (value >= 10_000 ? `${(value / 1000).toFixed(1)} ms` : `${value.toFixed(0)} µs`)

export const runLine = (run: string, result: Result): string => {
  const { contender, perSecond, latency, arrived, sent, doubles, spoiled, tookMs } = result
  const exact = arrived === sent && doubles === 0 && spoiled === 0
  const figure =
    latency === null
      ? `${perSecond.toFixed(perSecond < 100 ? 1 : 0)} messages/s in ${(tookMs / 1000).toFixed(2)} s`
      : `p50 ${ms(latency.p50Ms)} ms, p99 ${ms(latency.p99Ms)} ms, most ${ms(latency.mostMs)} ms`
  const counts = exact ? 'exact' : `NOT EXACT: ${arrived} of ${sent} arrived, ${doubles} doubles, ${spoiled} spoiled`
  return `  ${run} ${contender.padEnd(8)} ${figure}, ${counts}`
}

/** CPU per message by stage, the largest first. */
export const stageLine = ({ contender, cpuUs, ownCpuUs, busyShare, redis, peakBytes }: Summary): string => {
  const stages = Object.entries(cpuUs).filter(([, value]) => value >= 1)
  const words = stages.toSorted(([, a], [, b]) => b - a).map(([stage, value]) => `${stage} ${us(value)}`)
  const calls = redis === null ? '' : `; Redis: ${redis.scripts.toFixed(2)} scripts, ${redis.all.toFixed(1)} commands a message`
  const peaks = Object.entries(peakBytes).filter(([, bytes]) => bytes > 20 * MIB)
  const memory = peaks.map(([stage, bytes]) => `${stage} ${(bytes / MIB).toFixed(0)}`).join(', ')
  return [
    `  ${contender.padEnd(8)} CPU ${us(ownCpuUs)} a message: ${words.join(', ')}; machine ${(busyShare * 100).toFixed(0)} % busy${calls}`,
    ...(memory === '' ? [] : [`  ${' '.repeat(8)} peak MiB: ${memory}`]),
  ].join('\n')
}

const largest = (peaks: Record<string, number>): string => {
  const [stage, bytes] = Object.entries(peaks).toSorted(([, a], [, b]) => b - a)[0] ?? ['', 0]
  return `${stage} ${(bytes / MIB).toFixed(0)}`
}

const figureOf = (summary: Summary): string =>
  summary.p50Ms === null || summary.p99Ms === null
    ? `${summary.perSecond.toFixed(summary.perSecond < 100 ? 1 : 0)}/s`
    : `p50 ${ms(summary.p50Ms)} ms, p99 ${ms(summary.p99Ms)} ms`

/** Ours with the goal. */
const ratioWords = (summary: Summary, all: readonly Summary[]): string => {
  const ratio = ratioToPostfix(summary, all)?.toFixed(2) ?? ''
  const goal = summary.contender === 'Sluice' ? floorOf(summary.case)?.goal : undefined
  return ratio === '' || goal === undefined ? ratio : `${ratio} (goal ${goal})`
}

const byStage = (summary: Summary): string =>
  Object.entries(summary.cpuUs)
    .filter(([stage, value]) => stage !== 'source' && stage !== 'sink' && value >= 0.03 * summary.ownCpuUs)
    .toSorted(([, a], [, b]) => b - a)
    .map(([stage, value]) => `${stage} ${us(value)}`)
    .join(', ')

const rowsOf = (cases: readonly Case[], all: readonly Summary[], cells: (summary: Summary) => string[]): string[][] =>
  cases.flatMap((one) => all.filter((each) => each.case === one.name).map((each) => [one.title, each.contender, ...cells(each)]))

const RESULTS = ['case', 'system', 'messages', '× Postfix', 'CPU a message', 'largest process, MiB', 'exact', 'measured']
const STAGES = ['case', 'system', 'CPU by stage, a message', 'source, sink', 'machine busy', 'Redis commands, of them scripts']

/** How fast, how dear, how large. */
export const resultTable = (cases: readonly Case[], all: readonly Summary[], measured: string): Table => ({
  head: RESULTS,
  rows: rowsOf(cases, all, (summary) => [
    figureOf(summary),
    ratioWords(summary, all),
    us(summary.ownCpuUs),
    largest(summary.peakBytes),
    summary.exact ? 'yes' : `NO: ${summary.fault}`,
    measured,
  ]),
})

/** What limits each case. */
export const stageTable = (cases: readonly Case[], all: readonly Summary[]): Table => ({
  head: STAGES,
  rows: rowsOf(cases, all, (summary) => [
    byStage(summary),
    `${us(summary.cpuUs.source ?? 0)}, ${us(summary.cpuUs.sink ?? 0)}`,
    `${(summary.busyShare * 100).toFixed(0)} %`,
    summary.redis === null ? '' : `${summary.redis.all.toFixed(1)}, ${summary.redis.scripts.toFixed(2)}`,
  ]),
})
