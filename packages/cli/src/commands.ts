/** All commands. Longer names come first where one is the beginning of another. */
import type { Command } from './command.ts'
import { audit } from './commands/audit.ts'
import { configCheck } from './commands/config-check.ts'
import { configExplain } from './commands/config-explain.ts'
import { bounce, remove } from './commands/give-up.ts'
import { hold, release } from './commands/hold.ts'
import { passwordHash } from './commands/password-hash.ts'
import { queue } from './commands/queue.ts'
import { reroute } from './commands/reroute.ts'
import { retry } from './commands/retry.ts'
import { send } from './commands/send.ts'
import { show } from './commands/show.ts'
import { spoolScript } from './commands/spool-script.ts'
import { resume, suspend } from './commands/suspend.ts'
import { trace } from './commands/trace.ts'
import { up } from './commands/up.ts'
import { why } from './commands/why.ts'

const VERBS: readonly Command[] = [hold, release, retry, bounce, remove, reroute, suspend, resume]
const CONFIG: readonly Command[] = [configCheck, configExplain, passwordHash]

export const COMMANDS: readonly Command[] = [up, send, queue, show, why, trace, ...VERBS, audit, ...CONFIG, spoolScript]
