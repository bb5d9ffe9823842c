/**
 * A set of child processes under one supervisor: started together, restarted when they die, stopped in order, the last one
 * started first. Nobody is restarted whose config is wrong (exit code 2), and a first start that fails three times is given up.
 */
import type { Listening, Log } from '@sluice/runtime'
import { type ChildSpec, type Keeper, keep } from './keeper.ts'

/** Exit code of a service whose config has errors. */
const CONFIG_IS_WRONG = 2
const TRIES_OF_A_FIRST_START = 3

export type Processes = {
  start: (spec: ChildSpec) => void
  /** What each child says about where it listens, by name; children that have said nothing are missing. */
  listening: () => Map<string, Listening[]>
  /** Called once when the whole gateway has come up: from now on nobody is given up. */
  settled: () => void
  /** Rejects when a child has been given up. Never resolves. */
  failure: Promise<never>
  /** @param withinMs how long each may take */
  stop: (withinMs: number) => Promise<void>
}

export class GivenUp extends Error {
  override readonly name = 'GivenUp'
  /** 2 when the config is wrong, else 1. */
  readonly exitCode: 1 | 2
  constructor(exitCode: 1 | 2, message: string) {
    super(message)
    this.exitCode = exitCode
  }
}

const isListening = (message: unknown): message is { listening: Listening[] } =>
  typeof message === 'object' && message !== null && 'listening' in message && Array.isArray(message.listening)

const isCannotStart = (message: unknown): message is { cannotStart: string } =>
  typeof message === 'object' && message !== null && 'cannotStart' in message && typeof message.cannotStart === 'string'

export const createProcesses = (log: Log): Processes => {
  const keepers: Keeper[] = []
  const told = new Map<string, Listening[]>()
  let isSettled = false
  let fail: (fault: GivenUp) => void = () => {}
  const failure = new Promise<never>((_, reject) => {
    fail = reject
  })
  failure.catch(() => {}) // awaited by whoever is interested

  const start = (spec: ChildSpec): void => {
    let ends = 0
    let reason: string | null = null
    const keeper = keep(spec, {
      onStart: (pid) => log.info('started', { process: spec.name, pid }),
      onMessage: (message) => {
        if (isListening(message)) told.set(spec.name, message.listening)
        if (isCannotStart(message)) reason = message.cannotStart
      },
      onEnd: (code, signal, pauseMs) => {
        told.delete(spec.name)
        ends++
        if (code === CONFIG_IS_WRONG && spec.ipc) {
          fail(new GivenUp(2, `${spec.name} cannot read its config`))
          return 'give-up'
        }
        if (!isSettled && ends >= TRIES_OF_A_FIRST_START) {
          fail(new GivenUp(1, `${spec.name} does not start: ${reason ?? `exit code ${code ?? signal}`}`))
          return 'give-up'
        }
        log.warn('ended; starting it again', { process: spec.name, exitCode: code, signal, pauseMs })
        return 'restart'
      },
    })
    keepers.push(keeper)
  }

  return {
    start,
    listening: () => told,
    settled: () => {
      isSettled = true
    },
    failure,
    stop: async (withinMs) => {
      for (const keeper of keepers.toReversed()) {
        const inTime = await keeper.stop(withinMs)
        if (!inTime) log.warn('did not end in time and was killed', { process: keeper.name, withinMs })
      }
    },
  }
}
