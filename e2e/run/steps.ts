/** Everything that guards main, in the order of the quickest answer first. Each step is a Node.js program with an exit code. */

export type Step = {
  name: string
  /** What a green step means, in words. */
  means: string
  /** Arguments of `node`, from the root of the checkout. */
  args: string[]
  timeLimitMs: number
  /** Vitest counts its own tests; every other step counts as one. */
  vitest: boolean
  /** Left out of `npm test` unless it is named, or `all` is. */
  onlyWhenAsked: boolean
}

const SECOND = 1000
const plain = { vitest: false, onlyWhenAsked: false, timeLimitMs: 300 * SECOND }

const vitest = (project: string): string[] => ['node_modules/vitest/vitest.mjs', 'run', '--project', project]

export const STEPS: Step[] = [
  { ...plain, name: 'lint', means: 'style and imports', args: ['node_modules/@biomejs/biome/bin/biome', 'check', '.'] },
  { ...plain, name: 'types', means: 'TypeScript, strict', args: ['node_modules/typescript/bin/tsc', '--noEmit'] },
  { ...plain, name: 'boundaries', means: 'who may import whom', args: ['e2e/run/check-boundaries.ts'] },
  {
    ...plain,
    name: 'exports',
    means: 'no dead exports, files or dependencies',
    args: ['node_modules/knip/bin/knip.js', '--no-config-hints'],
  },
  {
    ...plain,
    name: 'docs',
    means: 'the config reference is what the schema says',
    args: ['packages/directory/src/generate-reference.ts', '--check'],
  },
  {
    ...plain,
    name: 'metrics',
    means: 'docs/metrics.md is what the code declares',
    args: ['e2e/metrics-page/main.ts', '--check'],
  },
  {
    ...plain,
    name: 'alerts',
    means: 'each alert fires when it should, and has its page',
    args: ['e2e/alerts/main.ts'],
  },
  {
    ...plain,
    name: 'chart-values',
    means: 'values, schema and README of the chart are as described',
    args: ['charts/generate.ts', '--check'],
  },
  { ...plain, name: 'rules', means: 'every mail rule has a test', args: ['e2e/check-rules.ts'] },
  { ...plain, name: 'unit', means: 'tests beside the sources', args: vitest('unit'), vitest: true, timeLimitMs: 900 * SECOND },
  {
    ...plain,
    name: 'chart',
    means: 'the chart, rendered with Helm 3 and Helm 4',
    args: vitest('chart'),
    vitest: true,
    timeLimitMs: 600 * SECOND,
  },
  {
    ...plain,
    name: 'e2e',
    means: 'scenarios with real processes',
    args: vitest('e2e'),
    vitest: true,
    timeLimitMs: 2400 * SECOND,
  },
  {
    ...plain,
    name: 'traces',
    means: 'a real OpenTelemetry Collector understands the way of each message; off costs nothing',
    args: vitest('traces'),
    vitest: true,
    timeLimitMs: 900 * SECOND,
  },
  {
    ...plain,
    name: 'dashboards',
    means: 'each panel shows data of a real gateway',
    args: ['e2e/dashboards/main.ts'],
    timeLimitMs: 300 * SECOND,
  },
  { ...plain, name: 'first-mail', means: 'what a newcomer does first', args: ['e2e/first-mail.ts'], onlyWhenAsked: true },
  {
    ...plain,
    name: 'chaos',
    means: '200 kills under load, nothing lost',
    args: ['e2e/chaos/main.ts'],
    onlyWhenAsked: true,
    timeLimitMs: 900 * SECOND,
  },
  {
    ...plain,
    name: 'bench',
    means: 'no slower and no dearer than its floors, each message exactly once',
    args: ['bench/main.ts', '--check'],
    timeLimitMs: 900 * SECOND,
    onlyWhenAsked: true,
  },
  {
    ...plain,
    name: 'bench-queue',
    means: 'the spool alone, each message exactly once',
    args: ['bench/queue.ts', '--quick'],
    timeLimitMs: 900 * SECOND,
    onlyWhenAsked: true,
  },
]

/** What `npm test -- …` asks for: steps by name, `all`, or test files by a part of their path. */
export type Selection = { steps: Step[]; files: string[] }

const named = (word: string): Step | undefined => STEPS.find((step) => step.name === word)

/** Throws when a word is neither a step nor looks like a path. */
export const select = (words: string[]): Selection => {
  if (words.length === 0) return { steps: STEPS.filter((step) => !step.onlyWhenAsked), files: [] }
  if (words.includes('all')) return { steps: STEPS, files: [] }
  const files = words.filter((word) => named(word) === undefined)
  const stray = files.find((word) => !word.includes('/') && !word.includes('.'))
  if (stray !== undefined) throw new Error(`no step "${stray}": ${STEPS.map((step) => step.name).join(', ')}, all, or a path`)
  const wanted = new Set(words)
  const stepOf = (file: string): string => {
    if (file.startsWith('charts/')) return 'chart'
    return file.startsWith('e2e/traces') ? 'traces' : file.startsWith('e2e/') ? 'e2e' : 'unit'
  }
  for (const file of files) wanted.add(stepOf(file))
  return { steps: STEPS.filter((step) => wanted.has(step.name)), files }
}
