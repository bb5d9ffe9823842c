/**
 * The life of a service's process: start, run, stop. SIGTERM or SIGINT stops it in order within the grace time; the same signal
 * once more ends it at once. (A Ctrl-C reaches the services as SIGINT and their supervisor then sends SIGTERM: that is one
 * wish, not two.) A rejection that nobody handled, or a thrown error, ends it with code 1: what it was doing is unknown, and
 * the spool takes up from what is durable.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { ConfigError, formatProblems } from './config-error.ts'
import { createLogger, type Log } from './log.ts'

/** Where a service can be reached; `http` is the one with /readyz. */
export type Listening = { name: string; address: string; port: number }

export type RunningService = {
  /** Sets readiness to false, stops taking work, finishes or hands back what is in hand, closes. */
  stop: () => Promise<void>
  shutdownGraceMs: number
  log: Log
  /** Told to the supervisor that started this process, if one did. */
  listening?: Listening[]
}

/** Resolves with the first signal, or when the supervisor has gone; exits when the same signal comes again. */
const awaitSignal = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    process.once('disconnect', () => resolve('SIGHUP'))
    const seen = new Set<NodeJS.Signals>()
    const onSignal = (signal: NodeJS.Signals): void => {
      if (seen.has(signal)) process.exit(1)
      seen.add(signal)
      resolve(signal)
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })

const finish = async (running: RunningService): Promise<number> => {
  const grace = wait(running.shutdownGraceMs, 'late' as const)
  const result = await Promise.race([running.stop().then(() => 'done' as const), grace])
  if (result === 'late') running.log.error('not done within the grace time; what was in hand goes back to the spool')
  return result === 'done' ? 0 : 1
}

/** What a service says to the supervisor that started it, if one did: where it listens, or why it cannot start. */
type ServiceMessage = { listening: Listening[] } | { cannotStart: string }

/** Resolves when it has been handed over; a supervisor that has gone hears nothing. */
const tellSupervisor = (message: ServiceMessage): Promise<void> =>
  new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve()
    else process.send(message, () => resolve())
  })

/**
 * Runs a service in a process of its own, to its end. Exit codes: 0 stopped in order; 1 could not start, crashed, or was not
 * done within its grace time; 2 the config has errors, which stand on standard error: starting again would not help. A signal during the start ends it at once: nothing is in hand yet.
 * @param name the service's name in the log, until `start` brings its own log
 */
export const runService = async (name: string, start: () => Promise<RunningService>): Promise<void> => {
  let log = createLogger({ level: 'info', service: name })
  const die =
    (text: string) =>
    (error: unknown): never => {
      log.error(text, { error })
      process.exit(1)
    }
  process.on('unhandledRejection', die('unhandled rejection'))
  process.on('uncaughtException', die('uncaught exception'))
  const signal = awaitSignal()
  const cannotStart = async (error: unknown): Promise<never> => {
    if (!(error instanceof ConfigError)) {
      await tellSupervisor({ cannotStart: error instanceof Error ? error.message : String(error) })
      return die('cannot start')(error)
    }
    process.stderr.write(`${formatProblems(error.problems)}\n`)
    process.exit(2)
  }
  const running = await Promise.race([start().catch(cannotStart), signal])
  if (typeof running === 'string') return process.exit(0)
  log = running.log
  void tellSupervisor({ listening: running.listening ?? [] })
  log.info('stopping', { signal: await signal })
  process.exit(await finish(running).catch(die('cannot stop in order')))
}
