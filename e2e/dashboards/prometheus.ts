/** A Prometheus of its own: it scrapes the given targets every second, goes by the chart's alerts, and is asked by HTTP. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, startProgram } from '@sluice/testkit'
import { z } from 'zod'
import { ALERTS } from '../alerts/rules.ts'
import { eventually } from '../support/gateway.ts'

const RANGE_S = 30
const STEP_S = 2

const configOf = (targets: readonly string[]): string =>
  JSON.stringify({
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: [join(ALERTS, '*.yaml')],
    scrape_configs: [{ job_name: 'sluice', static_configs: [{ targets }] }],
  })

const answerSchema = z.object({ status: z.literal('success'), data: z.unknown() })
const vectorSchema = z.object({
  result: z.array(
    z.object({
      metric: z.record(z.string(), z.string()),
      value: z.tuple([z.number(), z.string()]).optional(),
      values: z.array(z.tuple([z.number(), z.string()])).optional(),
    }),
  ),
})
const rulesSchema = z.object({
  groups: z.array(
    z.object({
      rules: z.array(z.object({ name: z.string(), health: z.string(), lastError: z.string().optional(), state: z.string() })),
    }),
  ),
})

export type RuleState = z.output<typeof rulesSchema>['groups'][number]['rules'][number]

export type Prometheus = {
  /** How many series have a value that is a number. @throws when Prometheus does not take the query */
  series: (query: string, instant: boolean) => Promise<number>
  /** Values of a label, as a variable of Grafana gets them. */
  labelValues: (label: string, matching: string) => Promise<string[]>
  rules: () => Promise<RuleState[]>
  stop: () => Promise<void>
}

const isNumber = ([, value]: [number, string]): boolean => value !== 'NaN'

/** @param targets `host:port` of each service's figures @throws when it is not ready, or does not reach them, in time */
export const startPrometheus = async (targets: readonly string[]): Promise<Prometheus> => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-prometheus-'))
  const config = join(folder, 'prometheus.yml')
  await writeFile(config, configOf(targets))
  const port = await freePort()
  const program = await startProgram('prometheus', [
    `--config.file=${config}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ])
  const ask = async (path: string, parameters: Record<string, string> = {}): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}?${new URLSearchParams(parameters)}`)
    const body: unknown = await response.json()
    if (!response.ok) throw new Error(`Prometheus refuses ${parameters.query ?? path}: ${JSON.stringify(body)}`)
    return answerSchema.parse(body).data
  }
  const series = async (query: string, instant: boolean): Promise<number> => {
    const now = Date.now() / 1000
    const range = { start: String(now - RANGE_S), end: String(now), step: String(STEP_S) }
    const { result } = vectorSchema.parse(await (instant ? ask('query', { query }) : ask('query_range', { query, ...range })))
    return result.filter(({ value, values = [] }) => (value === undefined ? values : [value]).some(isNumber)).length
  }
  const stop = async (): Promise<void> => {
    await program.stop('SIGTERM')
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const allUp = async (): Promise<boolean> => (await series('up == 1', true)) === targets.length
    await eventually(`Prometheus to scrape ${targets.join(', ')}`, () => allUp().catch(() => false), 60_000, 200)
  } catch (fault) {
    const output = program.output()
    await stop()
    throw new Error(output, { cause: fault })
  }
  return {
    series,
    labelValues: async (label, matching) =>
      z.array(z.string()).parse(await ask(`label/${label}/values`, matching === '' ? {} : { 'match[]': matching })),
    rules: async () => rulesSchema.parse(await ask('rules')).groups.flatMap(({ rules }) => rules),
    stop,
  }
}
