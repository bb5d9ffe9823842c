/**
 * `npm run test:dashboards`: the dashboards of the chart are what Grafana reads, and every query of every panel returns data from a
 * real Prometheus that scrapes a real gateway with mail of every kind. The alerts are evaluated there as well.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { figuresIn, readRules, scrapedNames } from '../alerts/rules.ts'
import { createTimedSteps, type TimedSteps } from '../support/timed-steps.ts'
import { type Dashboard, filled, judge, type Panel, readDashboards } from './dashboard.ts'
import { type Prometheus, startPrometheus } from './prometheus.ts'
import { SERVICES, startScene } from './scene.ts'

const PATIENCE_MS = 60_000
const AGAIN_MS = 1000
const VALUES = { namespace: '.*', site_class: 'far', instance: '.*', __rate_interval: '15s' }
/** Panels of this row are about every process; of the others some are about one service alone. */
const OF_ALL = '$service: the processes'

type Question = { panel: string; query: string; instant: boolean }

/** What Grafana would ask, for each service that can be chosen; of each list one must be answered. */
const questionsOf = ({ title, targets, row }: Panel, services: readonly string[]): Question[][] =>
  targets.flatMap(({ expr, instant }) => {
    const asked = services.map((service) => ({ panel: title, instant, query: filled(expr, { ...VALUES, service }) }))
    return row === OF_ALL ? asked.map((each) => [each]) : [asked]
  })

const hasData = async (prometheus: Prometheus, questions: Question[]): Promise<boolean> => {
  for (const { query, instant } of questions) if ((await prometheus.series(query, instant)) > 0) return true
  return false
}

/** Asks until all are answered: some of what is shown takes a while to happen. */
const checkData = async (prometheus: Prometheus, { panels, templating }: Dashboard): Promise<string> => {
  const services = templating.list.some(({ name }) => name === 'service') ? SERVICES : ['']
  const all = panels.flatMap((panel) => questionsOf(panel, services))
  const lateAt = performance.now() + PATIENCE_MS
  let open = all
  for (;;) {
    const left: Question[][] = []
    for (const questions of open) if (!(await hasData(prometheus, questions))) left.push(questions)
    if (left.length === 0) return `${panels.length} panels, ${all.length} queries`
    if (performance.now() > lateAt)
      throw new Error(`no data for ${left.map(([one]) => `"${one?.panel}": ${one?.query}`).join('; ')}`)
    open = left
    await sleep(AGAIN_MS)
  }
}

const checkVariables = async (prometheus: Prometheus, { templating }: Dashboard): Promise<string> => {
  const told: string[] = []
  for (const variable of templating.list) {
    // Where Prometheus knows no namespaces, as here, the variable has no values but All.
    if (variable.type !== 'query' || variable.name === 'namespace') continue
    const [, series = '', label = ''] = /^label_values\((.+), (\w+)\)$/.exec(variable.definition) ?? []
    const values = await prometheus.labelValues(label, filled(series, { ...VALUES, service: 'ingress' }))
    if (values.length === 0) throw new Error(`nothing to choose for ${variable.name}`)
    told.push(`${variable.name}: ${values.join(' ')}`)
  }
  return told.join('; ')
}

const checkAlerts = async (prometheus: Prometheus): Promise<string> => {
  const wanted = (await readRules()).flatMap(({ alerts }) => alerts)
  const rules = await prometheus.rules()
  const failing = rules
    .filter(({ health }) => health !== 'ok')
    .map(({ name, lastError }) => `${name}: ${lastError ?? 'not evaluated'}`)
  const missing = wanted
    .filter(({ alert }) => !rules.some(({ name }) => name === alert))
    .map(({ alert }) => `${alert} is not there`)
  const names = new Set(await prometheus.labelValues('__name__', ''))
  const unknown = wanted.flatMap(({ alert, expr }) =>
    figuresIn(expr).flatMap((name) => (names.has(name) ? [] : [`${alert}: nobody tells ${name}`])),
  )
  const wrong = [...failing, ...missing, ...unknown]
  if (wrong.length > 0) throw new Error(wrong.join('; '))
  return `${rules.length} evaluated`
}

/** The gateway has a payload that nobody understands, and no Redis trouble: one alert waits for its time, others do not. */
const checkParked = async (prometheus: Prometheus): Promise<string> => {
  const states = new Map((await prometheus.rules()).map(({ name, state }) => [name, state]))
  const seen = ['SluiceMailParked', 'SluiceRedisAway', 'SluiceServiceGone']
    .map((name) => `${name} ${states.get(name)}`)
    .join(', ')
  if (seen !== 'SluiceMailParked pending, SluiceRedisAway inactive, SluiceServiceGone inactive') throw new Error(seen)
  return seen
}

const checkRunning = async (steps: TimedSteps, dashboards: Dashboard[]): Promise<void> => {
  const stops: (() => Promise<void>)[] = []
  let prometheus: Prometheus | null = null
  try {
    await steps.step('a gateway with mail of every kind', async () => {
      const scene = await startScene()
      stops.push(scene.stop)
      prometheus = await startPrometheus(scene.targets)
      stops.push(prometheus.stop)
      return `Prometheus scrapes ${scene.targets.length} services`
    })
    if (prometheus === null) return
    const asked: Prometheus = prometheus
    for (const dashboard of dashboards) await steps.step(`data ${dashboard.file}`, () => checkData(asked, dashboard))
    for (const dashboard of dashboards) await steps.step(`variables ${dashboard.file}`, () => checkVariables(asked, dashboard))
    await steps.step('alerts', () => checkAlerts(asked))
    await steps.step('alerts see the gateway', () => checkParked(asked))
  } finally {
    for (const stop of stops.toReversed()) await stop()
  }
}

const main = async (): Promise<number> => {
  const steps = createTimedSteps()
  const dashboards = await readDashboards()
  const figures = await scrapedNames()
  for (const dashboard of dashboards)
    await steps.step(`form ${dashboard.file}`, async () => {
      const found = judge(dashboard, figures)
      if (found.length > 0) throw new Error(found.join('; '))
      return `${dashboard.panels.length} panels`
    })
  await checkRunning(steps, dashboards)
  return steps.finish()
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  return 2
})
