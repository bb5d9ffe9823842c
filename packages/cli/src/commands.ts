/** All commands. Longer names come first where one is the beginning of another. */
import type { Command } from './command.ts'
import { configCheck } from './commands/config-check.ts'
import { configExplain } from './commands/config-explain.ts'
import { hold, release } from './commands/hold.ts'
import { passwordHash } from './commands/password-hash.ts'
import { queue } from './commands/queue.ts'
import { retry } from './commands/retry.ts'
import { send } from './commands/send.ts'
import { spoolScript } from './commands/spool-script.ts'
import { trace } from './commands/trace.ts'
import { up } from './commands/up.ts'

export const COMMANDS: readonly Command[] = [
  up,
  send,
  queue,
  trace,
  hold,
  release,
  retry,
  configCheck,
  configExplain,
  passwordHash,
  spoolScript,
]
