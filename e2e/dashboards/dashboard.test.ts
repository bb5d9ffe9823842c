/** The judge of dashboards has to be able to say no: each case breaks a good dashboard in one way. */
import { describe, expect, it } from 'vitest'
import { figuresIn, readRules, scrapedNames } from '../alerts/rules.ts'
import { type Dashboard, filled, judge, readDashboards } from './dashboard.ts'

const figures = await scrapedNames()
const dashboards = await readDashboards()

/** A copy of the first dashboard, to be broken. */
const copy = (): Dashboard => structuredClone(dashboards[0]) as Dashboard

/** Its first panel asks this instead. */
const asking = (dashboard: Dashboard, expr: string): object => Object.assign(first(dashboard).target, { expr })

/** The first panel of the copy, and its first query. */
const first = (dashboard: Dashboard) => {
  const panel = dashboard.panels[0]
  const target = panel?.targets[0]
  if (panel === undefined || target === undefined) throw new Error('a dashboard without a panel')
  return { panel, target }
}

const BREAKS: [string, (dashboard: Dashboard) => void, RegExp][] = [
  ['a panel without a unit', (d) => delete first(d).panel.fieldConfig.defaults.unit, /it has no unit/],
  ['a figure that nobody tells', (d) => asking(d, 'sluice_nothing_total'), /no service tells sluice_nothing_total/],
  ['a variable that is not there', (d) => asking(d, '$other'), /no variable other/],
  ['a query beyond the chosen namespaces', (d) => asking(d, 'up'), /asks beyond the chosen namespaces: up/],
  ['panels on each other', (d) => Object.assign(first(d).panel.gridPos, { w: 24 }), /two panels lie on each other/],
  ['a panel beyond the page', (d) => Object.assign(first(d).panel.gridPos, { x: 23 }), /it is wider than the page/],
  ['an id that is taken', (d) => Object.assign(first(d).panel, { id: d.panels[1]?.id }), /two panels have one id/],
  ['no choice of the data source', (d) => d.templating.list.shift(), /the first variable is not the data source/],
]

describe('the judge of dashboards', () => {
  it('finds nothing wrong with those of the chart', () => {
    expect(dashboards.map(({ file }) => file)).toEqual(['overview.json', 'service.json', 'site.json'])
    for (const dashboard of dashboards) expect(judge(dashboard, figures)).toEqual([])
  })

  it.each(BREAKS)('finds %s', (_, breakIt, words) => {
    const dashboard = copy()
    breakIt(dashboard)
    expect(judge(dashboard, figures).join('\n')).toMatch(words)
  })
})

it('whatever an alert watches stands on a dashboard, too', async () => {
  const queries = dashboards.flatMap(({ panels }) => panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)))
  const shown = new Set(queries.flatMap(figuresIn))
  const watched = (await readRules()).flatMap(({ alerts }) => alerts.flatMap(({ expr }) => figuresIn(expr)))
  expect(watched.filter((name) => !shown.has(name))).toEqual([])
})

it('a query is filled in as Grafana does, and what is not known stays', () => {
  expect(filled('rate(a{b=~"$service"}[$__rate_interval]) + $c', { service: 'x', __rate_interval: '15s' })).toBe(
    'rate(a{b=~"x"}[15s]) + $c',
  )
})
