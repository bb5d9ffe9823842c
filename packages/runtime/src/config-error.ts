/** The one error that a user of the config can cause: it names every problem with its place, and what was expected there. */

export type Problem = {
  file: string
  /** 1-based; null where no line can be named (a missing file, the built-in config). */
  line: number | null
  /** Dotted path, `routes[0].hosts`; '' for the whole file. */
  key: string
  /** What was expected, in words. */
  message: string
}

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code: 'config-unreadable' | 'config-syntax' | 'config-environment' | 'config-invalid'
  readonly problems: Problem[]
  constructor(code: ConfigError['code'], problems: Problem[], options?: ErrorOptions) {
    super(formatProblems(problems), options)
    this.code = code
    this.problems = problems
  }
}

/** In the order of the files and their lines. */
export const byPlace = (a: Problem, b: Problem): number =>
  a.file === b.file ? (a.line ?? 0) - (b.line ?? 0) : a.file < b.file ? -1 : 1

/** One line per problem, `file:line: key: message`, as editors and people read it. */
export const formatProblems = (problems: Problem[]): string =>
  problems
    .map(({ file, line, key, message }) => [line === null ? file : `${file}:${line}`, key, message].filter(Boolean).join(': '))
    .join('\n')

/** `['routes', 0, 'tls']` → `routes[0].tls` */
export const formatPath = (path: readonly PropertyKey[]): string =>
  path.map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i === 0 ? '' : '.'}${String(part)}`)).join('')
