/**
 * Runs one step as a process group of its own and judges it by exit code and time. Whatever the step started goes with
 * it: the group is ended when the step has ended, and `leftovers` finds what left the group.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Step } from './steps.ts'
import { readTestReport, type TestReport } from './vitest-report.ts'

export type StepResult = {
  name: string
  means: string
  ok: boolean
  passed: number
  failed: number
  skipped: number
  tookMs: number
  /** The tests that failed, a line each; empty where the step is one check as a whole. */
  failures: string[]
}

/** A test file that does not even load fails no test: it counts as one. Neither is a run without a test a green one. */
const judge = (exitedWell: boolean, report: TestReport | null): TestReport => {
  const { passed, failed, skipped, failures } = report ?? { passed: 0, failed: 0, skipped: 0, failures: [] }
  const ok = exitedWell && passed > 0
  return { passed, failed: ok ? failed : Math.max(failed, 1), skipped, failures }
}

const endGroup = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(-pid, signal)
  } catch {
    // Nobody of the group is left.
  }
}

/**
 * @param files passed on to vitest as filters
 * @param env environment of the step
 * @param stop ends the step, which then counts as failed
 */
export const runStep = async (step: Step, files: string[], env: NodeJS.ProcessEnv, stop: AbortSignal): Promise<StepResult> => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-step-'))
  const report = join(folder, 'report.json')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const args = step.vitest ? [...step.args, ...reporters, ...files] : step.args
  const startedAt = performance.now()
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'], env, detached: true })
  const { pid } = child
  if (pid === undefined) throw new Error(`cannot start ${args[0]}`)
  const end = (): void => endGroup(pid, 'SIGTERM')
  stop.addEventListener('abort', end, { once: true })
  const limit = setTimeout(() => {
    console.error(`${step.name}: not done after ${step.timeLimitMs / 1000} s, stopping it`)
    end()
  }, step.timeLimitMs)
  const kill = setTimeout(() => endGroup(pid, 'SIGKILL'), step.timeLimitMs + 10_000)
  const [code] = await once(child, 'exit')
  clearTimeout(limit)
  clearTimeout(kill)
  stop.removeEventListener('abort', end)
  endGroup(pid, 'SIGKILL')
  const exitedWell = code === 0
  const whole = { passed: exitedWell ? 1 : 0, failed: exitedWell ? 0 : 1, skipped: 0, failures: [] }
  const counts = step.vitest ? judge(exitedWell, await readTestReport(report)) : whole
  await rm(folder, { recursive: true, force: true })
  const tookMs = performance.now() - startedAt
  return { name: step.name, means: step.means, ok: counts.failed === 0, ...counts, tookMs }
}
