/** `npm run bench:queue`: the spool alone, without SMTP. `npm run bench:queue -- --help` tells the rest. */
import { parseArgs } from 'node:util'
import { type CaseResult, FULL, QUEUE_CASES, QUICK } from './queue/cases.ts'
import { flowTable, largeTable } from './queue/report.ts'
import { loadNow, markdown, measuredOn, writeTable } from './support/docs.ts'
import { runMain } from './support/run-main.ts'

const HELP = `npm run bench:queue -- [OPTIONS]

The spool without SMTP: a real Redis with appendfsync always, the real admission, a real spooler, and agents whose far end takes
every message in the moment it is handed out. Exit code 0 only when every message was settled exactly once.

  --cases A,B   ${QUEUE_CASES.map(({ name }) => name).join(', ')}; all unless told
  --quick       fewer messages, 50,000 waiting instead of a million
  --write       writes the tables into docs/performance.md
  --help        this`

const isExact = (result: CaseResult): boolean => (result.kind === 'flow' ? result.flow.exact : result.large.exact)

const summary = (result: CaseResult): string => {
  if (result.kind === 'large') return `${result.title}: done`
  const { perSecond, cpuUs, exact } = result.flow
  const whole = Object.values(cpuUs).reduce((sum, each) => sum + each, 0)
  return `${result.title}: ${perSecond.toFixed(0)}/s, ${whole.toFixed(0)} µs of CPU a message, ${exact ? 'exact' : 'NOT EXACT'}`
}

const main = async (signal: AbortSignal): Promise<boolean> => {
  const { values } = parseArgs({
    options: {
      cases: { type: 'string' },
      quick: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(HELP)
    return true
  }
  const words = values.cases?.split(',')
  const stray = words?.find((word) => !QUEUE_CASES.some(({ name }) => name === word))
  if (stray !== undefined) throw new Error(`--cases takes ${QUEUE_CASES.map(({ name }) => name).join(', ')}, found ${stray}`)
  const loadBefore = loadNow()
  const results: CaseResult[] = []
  for (const { name, run } of QUEUE_CASES) {
    if (words !== undefined && !words.includes(name)) continue
    const result = await run(values.quick ? QUICK : FULL, (text) => console.log(`  ${text}`), signal)
    console.log(summary(result))
    results.push(result)
  }
  const measured = measuredOn(loadBefore)
  const tables = [
    { name: 'queue flows', table: flowTable(results, measured) },
    { name: 'queue large', table: largeTable(results, measured) },
  ].filter(({ table }) => table.rows.length > 0)
  for (const { table } of tables) console.log(`\n${markdown(table)}`)
  const exact = results.every(isExact)
  console.log(exact ? '\nEvery message was settled exactly once.' : '\nNOT every message was settled exactly once.')
  if (values.write && exact) {
    const options = process.argv.slice(2).filter((word) => word !== '--write')
    const command = ['npm run bench:queue', ...(options.length > 0 ? ['--', ...options] : [])].join(' ')
    for (const { name, table } of tables) await writeTable(name, table, [], command)
    console.log('docs/performance.md is written.')
  }
  return exact
}

runMain(main)
