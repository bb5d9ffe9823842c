/** What vitest's json reporter wrote of a step: how many tests passed, and which failed why. */
import { readFile } from 'node:fs/promises'
import { relative } from 'node:path'

/** @property failures a line each: `FILE > TEST: the first line of its error` */
export type TestReport = { passed: number; failed: number; skipped: number; failures: string[] }

type Assertion = { status: string; fullName: string; failureMessages?: string[] }
type TestFile = { name: string; status: string; message?: string; assertionResults: Assertion[] }

const firstLine = (text: string | undefined): string => (text ?? '').split('\n', 1)[0] ?? ''

const failuresOf = (file: TestFile): string[] => {
  const name = relative(process.cwd(), file.name)
  const failed = file.assertionResults.filter(({ status }) => status === 'failed')
  if (failed.length === 0 && file.status === 'failed') return [`${name}: ${firstLine(file.message)}`]
  return failed.map(({ fullName, failureMessages }) => `${name} > ${fullName}: ${firstLine(failureMessages?.[0])}`)
}

/** @returns null when the report was never written, or is cut off */
export const readTestReport = async (file: string): Promise<TestReport | null> => {
  try {
    const report = JSON.parse(await readFile(file, 'utf8'))
    return {
      passed: Number(report.numPassedTests),
      failed: Number(report.numFailedTests),
      skipped: Number(report.numPendingTests) + Number(report.numTodoTests),
      failures: report.testResults.flatMap(failuresOf),
    }
  } catch {
    return null
  }
}
