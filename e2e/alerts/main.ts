/**
 * `npm run test:alerts`: the alerts of the chart are rules that Prometheus takes; each fires when it should and stays silent when
 * it should (promtool); each has a runbook page; and all go by figures that the services really tell.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runProgram } from '@sluice/testkit'
import { createTimedSteps } from '../support/timed-steps.ts'
import { figuresIn, ROOT, type RuleFile, readRules, scrapedNames } from './rules.ts'

const TESTS = join(import.meta.dirname, 'tests')
const RUNBOOKS = join(ROOT, 'docs', 'runbooks')
const SECTIONS = ['## What it costs', '## Look', '## Do']

const namesOf = (files: RuleFile[]): string[] => files.flatMap(({ alerts }) => alerts.map(({ alert }) => alert))

const complain = (what: string[]): void => {
  if (what.length > 0) throw new Error(what.join('; '))
}

/** Each alert is seen to fire, and seen to be silent, by its test file. */
const checkTested = async (files: RuleFile[]): Promise<string> => {
  const lacking: string[] = []
  for (const { name, alerts } of files) {
    const lines = (await readFile(join(TESTS, `${name}.yaml`), 'utf8')).split(/\n(?= {6}- )/)
    for (const { alert } of alerts) {
      const about = lines.filter((line) => line.includes(`alertname="${alert}"`) || line.includes(`alertname: ${alert}`))
      const isSilent = (line: string): boolean => /exp_(samples|alerts): \[\]/.test(line)
      if (!about.some(isSilent)) lacking.push(`${alert} is nowhere expected to be silent`)
      if (about.every(isSilent)) lacking.push(`${alert} is nowhere expected to fire`)
    }
  }
  complain(lacking)
  return `${namesOf(files).length} alerts`
}

const checkRunbooks = async (files: RuleFile[]): Promise<string> => {
  const alerts = files.flatMap((file) => file.alerts)
  const pages = (await readdir(RUNBOOKS)).filter((page) => page !== 'README.md')
  const index = await readFile(join(RUNBOOKS, 'README.md'), 'utf8')
  const lacking = pages
    .filter((page) => !alerts.some(({ alert }) => page === `${alert}.md`))
    .map((page) => `no alert for ${page}`)
  for (const { alert, labels, annotations } of alerts) {
    const text = await readFile(join(RUNBOOKS, `${alert}.md`), 'utf8').catch(() => '')
    const headings = [`# ${alert}`, ...SECTIONS]
    if (headings.some((heading) => !text.includes(`${heading}\n`)))
      lacking.push(`${alert}.md lacks one of ${headings.join(', ')}`)
    if (annotations.runbook !== `docs/runbooks/${alert}.md`) lacking.push(`${alert} names another page`)
    if (!index.includes(`| [${alert}](${alert}.md) | ${labels.severity} |`)) lacking.push(`README.md lacks ${alert}`)
  }
  complain(lacking)
  return `${pages.length} pages`
}

const checkFigures = async (files: RuleFile[]): Promise<string> => {
  const known = await scrapedNames()
  const used = files.flatMap(({ alerts }) => alerts.flatMap(({ expr }) => figuresIn(expr)))
  complain(used.filter((name) => !known.has(name)).map((name) => `no service tells ${name}`))
  return `${new Set(used).size} figures`
}

const main = async (): Promise<number> => {
  const steps = createTimedSteps()
  const files = await readRules()
  for (const { file, name } of files)
    await steps.step(`rules ${name}`, () => runProgram('promtool', ['check', 'rules', file]).then(() => 'Prometheus takes them'))
  for (const { name } of files)
    await steps.step(`tests ${name}`, () => runProgram('promtool', ['test', 'rules', join(TESTS, `${name}.yaml`)]).then(() => ''))
  await steps.step('each is tested', () => checkTested(files))
  await steps.step('runbooks', () => checkRunbooks(files))
  await steps.step('figures', () => checkFigures(files))
  return steps.finish()
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  return 2
})
