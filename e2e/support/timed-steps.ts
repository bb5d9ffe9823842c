/**
 * Steps one after another, each timed and judged: `ok   NAME  1.2 s  WHAT CAME OUT` or `FAIL NAME  1.2 s  WHY`, and at the end
 * `N passed, N failed`. A step that throws has failed; the next one runs all the same, unless it was told that it needs it.
 */
export type TimedSteps = {
  /** Runs a step; the text that it resolves with, if it is one, says what came out. Resolves with whether it went well. */
  step: (name: string, run: () => Promise<unknown>) => Promise<boolean>
  /** Prints the sum; the exit code: 0 only when there was a step, and none failed. */
  finish: () => number
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** @param out takes one line at a time; the console by default */
export const createTimedSteps = (out: (line: string) => void = console.log): TimedSteps => {
  const counts = { passed: 0, failed: 0 }
  return {
    step: async (name, run) => {
      const startedAt = performance.now()
      const result = await run().then(
        (text) => ({ ok: true, text: typeof text === 'string' ? text : '' }),
        (error: unknown) => ({ ok: false, text: messageOf(error) }),
      )
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
      counts[result.ok ? 'passed' : 'failed'] += 1
      out(`${result.ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(34)} ${`${seconds} s`.padStart(8)}  ${result.text}`.trimEnd())
      return result.ok
    },
    finish: () => {
      out(`\n${counts.passed} passed, ${counts.failed} failed`)
      return counts.failed === 0 && counts.passed > 0 ? 0 : 1
    },
  }
}
