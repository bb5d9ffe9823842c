/** The whole life of a message that was lost or came too often: what was sent, what was said of it, and the faults around it. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createTrace } from '@sluice/spool'
import type { Redis } from 'ioredis'
import type { Entry } from './clients.ts'
import type { Done } from './faults.ts'
import type { Finding } from './judge.ts'
import { mailOf } from './mail.ts'

/** Lives told in full; of the others, only the problem. */
export const MOST_LIVES = 5
const AROUND_MS = 25_000

const clock = (ms: number): string => (Number.isFinite(ms) ? new Date(ms).toISOString().slice(11, 23) : '…')

const linesOf = async (folder: string, id: string): Promise<string[]> => {
  const found: string[] = []
  for (const name of await readdir(folder)) {
    const text = await readFile(join(folder, name), 'utf8')
    found.push(...text.split('\n').filter((line) => line.includes(id)))
  }
  const timeOf = (line: string): string => /"time":"([^"]+)"/.exec(line)?.[1] ?? ''
  return found.sort((a, b) => timeOf(a).localeCompare(timeOf(b))).map((line) => line.slice(0, 600))
}

const faultsAround = (done: readonly Done[], times: readonly number[]): string[] =>
  done
    .filter(({ from, to }) => times.some((at) => from <= at + AROUND_MS && to >= at - AROUND_MS))
    .map(({ life, fault, from, to, note }) => `${clock(from)}–${clock(to)} ${life} ${JSON.stringify(fault)} ${note}`)

export type LifeOptions = {
  seed: number
  logs: string
  redis: Redis
  lanes: number
  done: readonly Done[]
  ledger: readonly Entry[]
}

export const lifeOf = async (finding: Finding, { seed, logs, redis, lanes, done, ledger }: LifeOptions): Promise<string> => {
  const { id, n, address, problem, arrivals } = finding
  const entry = ledger.find((each) => each.n === n)
  const trace = id === null ? null : await createTrace({ redis, lanes })(id)
  const times = [...arrivals.map(({ at }) => at), ...(entry === undefined ? [] : [entry.at])]
  const indent = (lines: readonly string[]): string[] => lines.map((line) => `    ${line}`)
  return [
    `mail ${n ?? '(a notice)'}, ${id ?? 'no ID'}, <${address}>: ${problem}`,
    ...(n === null ? [] : [`  sent:     ${JSON.stringify(mailOf(seed, n))}`]),
    ...(entry === undefined ? [] : [`  ledger:   ${clock(entry.at)} ${entry.fate}: ${entry.reply}`]),
    ...arrivals.map(({ at, hop }) => `  arrived:  ${clock(at)} at ${hop}`),
    '  trace:',
    ...indent(JSON.stringify(trace, null, 1).split('\n')),
    '  logs:',
    ...indent(id === null ? [] : await linesOf(logs, id)),
    '  faults:',
    ...indent(faultsAround(done, times)),
  ].join('\n')
}
