/** Tables of `npm run bench:queue`. */
import type { Table } from '../support/docs.ts'
import type { CaseResult } from './cases.ts'
import type { Flow } from './flow.ts'
import type { LargeSpool } from './million.ts'

const us = (value: number): string => `${value.toFixed(0)} µs`
const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`
const yes = (exact: boolean): string => (exact ? 'yes' : 'NO')

const byStage = (cpuUs: Record<string, number>): string =>
  Object.entries(cpuUs)
    .map(([stage, value]) => `${stage} ${us(value)}`)
    .join(', ')

/** The first two cells name a row: the second is the number of messages. */
const flowRow = (title: string, { messages, perSecond, cpuUs, redis, exact }: Flow, measured: string): string[] => {
  const whole = Object.values(cpuUs).reduce((sum, each) => sum + each, 0)
  const calls = `${redis.all.toFixed(1)}, ${redis.scripts.toFixed(2)}`
  return [title, String(messages), `${perSecond.toFixed(0)}/s`, us(whole), byStage(cpuUs), calls, yes(exact), measured]
}

export const flowTable = (results: readonly CaseResult[], measured: string): Table => ({
  head: ['case', 'messages', 'throughput', 'CPU a message', 'by stage', 'Redis commands, of them scripts', 'exact', 'measured'],
  rows: results.flatMap((each) => (each.kind === 'flow' ? [flowRow(each.title, each.flow, measured)] : [])),
})

const largeRows = (large: LargeSpool): [string, string, string][] => {
  const { admit, unrelated, startUp, queueVerbMs } = large
  const share = (full: number, empty: number): string => `${full.toFixed(0)}, ${((full / empty) * 100).toFixed(1)} % of empty`
  return [
    ['Redis bytes a waiting task, beside its content', large.bytesPerTask.toFixed(0), ''],
    ['admitted while it fills, in batches', `${large.filledPerSecond.toFixed(0)}/s`, ''],
    ['one more message durable, p50', ms(admit.full.p50), ms(admit.empty.p50)],
    ['one more message durable, p99', ms(admit.full.p99), ms(admit.empty.p99)],
    ['an unrelated destination, messages a second', share(unrelated.full, unrelated.empty), unrelated.empty.toFixed(0)],
    ['an unrelated destination, CPU a message', byStage(unrelated.cpuFullUs), byStage(unrelated.cpuEmptyUs)],
    ...Object.entries(startUp).map(([name, { full, empty }]): [string, string, string] => [
      `${name} until ready`,
      ms(full),
      ms(empty),
    ]),
    ['`sluice queue`', ms(queueVerbMs.full), ms(queueVerbMs.empty)],
    ['exact', yes(large.exact), ''],
  ]
}

export const largeTable = (results: readonly CaseResult[], measured: string): Table => ({
  head: ['spool', 'figure', 'with that', 'empty', 'measured'],
  rows: results.flatMap((each) =>
    each.kind === 'large' ? largeRows(each.large).map((cells) => [each.title, ...cells, measured]) : [],
  ),
})
