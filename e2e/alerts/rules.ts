/** The alerts of the chart, read from its files, and what stands in a query of Prometheus. */
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { loadYaml } from '@sluice/runtime'
import { z } from 'zod'
import { declaredFigures } from '../metrics-page/declared.ts'

export const ROOT = join(import.meta.dirname, '..', '..')
export const ALERTS = join(ROOT, 'charts', 'sluice', 'alerts')

const alertSchema = z.strictObject({
  alert: z.string().regex(/^Sluice[A-Za-z]+$/),
  expr: z.string(),
  for: z.string().optional(),
  labels: z.strictObject({ severity: z.enum(['critical', 'warning', 'info']) }),
  annotations: z.strictObject({ summary: z.string(), description: z.string(), runbook: z.string() }),
})
const fileSchema = z.strictObject({
  groups: z.array(z.strictObject({ name: z.string(), rules: z.array(alertSchema) })).length(1),
})

export type Alert = z.output<typeof alertSchema>
export type RuleFile = { file: string; name: string; alerts: Alert[] }

/** In the order of their names. @throws when a file is not what the chart puts into a PrometheusRule */
export const readRules = async (): Promise<RuleFile[]> => {
  const files = (await readdir(ALERTS)).filter((file) => file.endsWith('.yaml')).toSorted()
  return Promise.all(
    files.map(async (file) => {
      const text = await readFile(join(ALERTS, file), 'utf8')
      const { groups } = fileSchema.parse(loadYaml(text, file, {}).data)
      return { file: join(ALERTS, file), name: basename(file, '.yaml'), alerts: groups.flatMap(({ rules }) => rules) }
    }),
  )
}

/** The figures of ours that a query names. */
export const figuresIn = (query: string): string[] => [...new Set(query.match(/\bsluice_\w+/g) ?? [])]

/** Every name under which Prometheus has a declared figure. */
export const scrapedNames = async (): Promise<Set<string>> =>
  new Set(
    (await declaredFigures()).flatMap(({ name, type }) =>
      type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => name + end) : [name],
    ),
  )
