/** The dashboards of the chart as Grafana has them: read, and judged without running anything. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { figuresIn, ROOT } from '../alerts/rules.ts'

const FOLDER = join(ROOT, 'charts', 'sluice', 'dashboards')
/** Grafana 10.0's. */
const OLDEST_SCHEMA = 38

const source = z.object({ type: z.literal('prometheus'), uid: z.literal('$' + '{datasource}') })
const text = z.string().min(1)
const gridPos = z.object({ x: z.int().min(0), y: z.int().min(0), w: z.int().min(1).max(24), h: z.int().min(1) })
const override = z.object({ properties: z.array(z.object({ id: text, value: z.unknown() })) })

const rowSchema = z.object({ type: z.literal('row'), id: z.int(), title: text, gridPos })
const panelSchema = z.object({
  type: z.enum(['timeseries', 'stat', 'table']),
  id: z.int(),
  title: text,
  description: z.string().min(10),
  gridPos,
  datasource: source,
  targets: z
    .array(
      z.object({ refId: text, expr: text, legendFormat: z.string(), instant: z.boolean().default(false), datasource: source }),
    )
    .min(1),
  fieldConfig: z.object({ defaults: z.object({ unit: text.optional() }), overrides: z.array(override) }),
})

const variableSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('datasource'), name: z.literal('datasource'), query: z.literal('prometheus') }),
  z.object({ type: z.literal('query'), name: text, label: text, datasource: source, definition: text }),
])

const dashboardSchema = z.object({
  uid: text,
  title: text,
  description: text,
  tags: z.array(z.string()).refine((tags) => tags.includes('sluice')),
  schemaVersion: z.int().min(OLDEST_SCHEMA),
  templating: z.object({ list: z.array(variableSchema) }),
  panels: z.array(z.discriminatedUnion('type', [rowSchema, panelSchema])),
})

export type Panel = z.output<typeof panelSchema> & { /** The title of the row that it stands in. */ row: string }
export type Dashboard = Omit<z.output<typeof dashboardSchema>, 'panels'> & {
  file: string
  panels: Panel[]
  rows: { gridPos: Panel['gridPos'] }[]
}

/** @throws when a file is no dashboard of Grafana 10 or newer */
export const readDashboards = async (): Promise<Dashboard[]> => {
  const files = (await readdir(FOLDER)).filter((file) => file.endsWith('.json')).toSorted()
  return Promise.all(
    files.map(async (file) => {
      const { panels, ...rest } = dashboardSchema.parse(JSON.parse(await readFile(join(FOLDER, file), 'utf8')))
      let row = ''
      const inRows = panels.flatMap((panel): Panel[] => {
        if (panel.type !== 'row') return [{ ...panel, row }]
        row = panel.title
        return []
      })
      return { ...rest, file, panels: inRows, rows: panels.filter(({ type }) => type === 'row') }
    }),
  )
}

const overlap = (a: Panel['gridPos'], b: Panel['gridPos']): boolean =>
  a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h

const findingsOf = (panel: Panel, variables: Set<string>, figures: Set<string>): string[] => {
  const { fieldConfig, type, targets, gridPos: at } = panel
  const units = [fieldConfig.defaults.unit, ...fieldConfig.overrides.flatMap((each) => each.properties.map(({ id }) => id))]
  const found: string[] = []
  if (type === 'table' ? !units.includes('unit') : units[0] === undefined) found.push('it has no unit')
  if (at.x + at.w > 24) found.push('it is wider than the page')
  for (const { expr, legendFormat } of targets) {
    if (type === 'timeseries' && legendFormat === '') found.push(`a line without a name: ${expr}`)
    if (!expr.includes('namespace=~"$namespace"')) found.push(`asks beyond the chosen namespaces: ${expr}`)
    for (const [, name = ''] of expr.matchAll(/\$(?!__)(\w+)/g)) if (!variables.has(name)) found.push(`no variable ${name}`)
    for (const name of figuresIn(expr)) if (!figures.has(name)) found.push(`no service tells ${name}`)
  }
  return found
}

/** @param figures the names of all that the services tell @returns what is wrong, in words */
export const judge = (dashboard: Dashboard, figures: Set<string>): string[] => {
  const { panels, rows, templating } = dashboard
  const variables = new Set(templating.list.map(({ name }) => name))
  const found = panels.flatMap((panel) => findingsOf(panel, variables, figures).map((what) => `${panel.title}: ${what}`))
  if (new Set(panels.map(({ id }) => id)).size < panels.length) found.push('two panels have one id')
  const places = [...panels, ...rows].map(({ gridPos: at }) => at)
  if (places.some((a, i) => places.some((b, j) => i < j && overlap(a, b)))) found.push('two panels lie on each other')
  if (templating.list[0]?.type !== 'datasource') found.push('the first variable is not the data source')
  return found
}

/** A query as Grafana would send it. */
export const filled = (query: string, values: Record<string, string>): string =>
  query.replaceAll(/\$(\w+)/g, (whole, name: string) => values[name] ?? whole)
