/** What a command of `sluice` is: a row in the table of commands.ts. Adding one means adding a file and its row. */

/** Exit codes, the same for every command. */
export const EXIT = { ok: 0, failed: 1, usage: 2, notFound: 3 } as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Where a command writes; tests pass their own. */
export type Io = { out: (text: string) => void; err: (text: string) => void; env: NodeJS.ProcessEnv }

export type Command = {
  /** As typed, e.g. `config check`. */
  name: string
  /** One line for the list of commands. */
  summary: string
  /** The whole help text, usage first. */
  help: string
  /** @param args what stands behind the command's name */
  run: (args: string[], io: Io) => Promise<ExitCode>
}

/** What the user typed cannot be understood: exit code 2, with the usage. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
