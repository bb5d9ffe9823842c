/** Asks back before mail is given up. Where nobody can answer, `--yes` must have been said. */
import { createInterface } from 'node:readline/promises'
import { UsageError } from '../command.ts'

export const confirm = async (question: string): Promise<boolean> => {
  if (!process.stdin.isTTY || !process.stderr.isTTY) throw new UsageError(`${question} Say so with --yes; --dry-run shows which`)
  const asking = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await asking.question(`${question} [y/N] `)).trim())
  } finally {
    asking.close()
  }
}
