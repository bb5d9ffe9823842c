/**
 * `npm test`: runs the steps one after another, all of them even when one fails, and ends with a table, the tests that
 * failed and the line `N passed, N failed`. Exit code 0 only when every step is green and every process that was started is gone.
 *
 *   npm test                         everything but the steps that take their own time
 *   npm test -- unit                 steps by name
 *   npm test -- e2e/hold.test.ts     test files by a part of their path
 *   npm test -- all                  with first-mail, chaos and the bench against its floors, as .ci/run does
 */
import { randomUUID } from 'node:crypto'
import { delimiter, dirname, join } from 'node:path'
import { endLeftovers } from './leftovers.ts'
import { runStep, type StepResult } from './run-step.ts'
import { select } from './steps.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const MARK = 'SLUICE_TEST_RUN'

/** The chosen Node.js comes first, and the folders of mail servers, which lie outside the PATH of ordinary users, last. */
const environment = (run: string): NodeJS.ProcessEnv => ({
  ...process.env,
  PATH: [dirname(process.execPath), process.env.PATH ?? '', '/usr/local/sbin', '/usr/sbin', '/sbin'].join(delimiter),
  [MARK]: run,
})

const leftoverResult = async (run: string): Promise<StepResult> => {
  const startedAt = performance.now()
  const leftovers = await endLeftovers(`${MARK}=${run}`)
  for (const { pid, command } of leftovers) console.error(`still running after the tests, ended now: ${pid} ${command}`)
  const ok = leftovers.length === 0
  const counts = { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0, failures: [] }
  return { name: 'leftovers', means: 'nothing left running', ok, ...counts, tookMs: performance.now() - startedAt }
}

const line = (result: StepResult): string => {
  const { name, means, ok, passed, failed, skipped, tookMs } = result
  const skips = skipped > 0 ? `, ${skipped} skipped` : ''
  const counts = `${passed} passed, ${failed} failed${skips}`
  return `${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(11)} ${`${(tookMs / 1000).toFixed(1)} s`.padStart(8)}  ${counts.padEnd(28)} ${means}`
}

const main = async (words: string[]): Promise<number> => {
  process.chdir(ROOT)
  const { steps, files } = select(words)
  const run = randomUUID()
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort())
  const results: StepResult[] = []
  for (const step of steps) {
    if (stop.signal.aborted) break
    console.log(`\n== ${step.name}: ${step.means}`)
    results.push(await runStep(step, files, environment(run), stop.signal))
  }
  results.push(await leftoverResult(run))
  console.log(`\n${results.map(line).join('\n')}\n`)
  const failures = results.flatMap((result) => result.failures)
  if (failures.length > 0) console.log(`${failures.map((failure) => `FAIL  ${failure.slice(0, 300)}`).join('\n')}\n`)
  const sum = (key: 'passed' | 'failed' | 'skipped'): number => results.reduce((total, result) => total + result[key], 0)
  const skips = sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : ''
  console.log(`${sum('passed')} passed, ${sum('failed')} failed${skips}`)
  if (stop.signal.aborted) return 130
  return results.every((result) => result.ok) ? 0 : 1
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  return 2
})
