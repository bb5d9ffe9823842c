/**
 * A whole gateway as a user starts it: real processes, from a command line, in a process group of their own, so that
 * signals reach them as Ctrl-C in a terminal would. Nothing of the group outlives `stop`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

export type GatewayOptions = {
  command: string
  args: string[]
  cwd?: string
  /** Added to the environment of this process. */
  env?: NodeJS.ProcessEnv
  /** How long it may take until the line `ready`; 60 s unless told. */
  readyWithinMs?: number
  /** How long it may take to end after a signal; 40 s unless told, which is more than the default grace time. */
  stopWithinMs?: number
}

export type Gateway = {
  pid: number
  /** ms from the start to the line `ready` */
  readyAfterMs: number
  /** Everything it wrote so far, standard output and standard error. */
  output: () => string
  /** Exit code, or null when a signal ended it. */
  exited: Promise<number | null>
  /** Sends the signal (SIGINT unless told) to the whole group, waits for the end, and gives the exit code. */
  stop: (signal?: NodeJS.Signals) => Promise<number | null>
}

const signalGroup = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(-pid, signal)
  } catch {
    // Nobody of the group is left.
  }
}

const within = async <T>(limitMs: number, wanted: Promise<T>, late: () => Error): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), limitMs)
  })
  try {
    return await Promise.race([wanted, limit])
  } finally {
    clearTimeout(timer)
  }
}

/** Starts it and resolves when it has printed `ready` on a line of its own; throws with its output when it does not. */
export const startGateway = async (options: GatewayOptions): Promise<Gateway> => {
  const { command, args, cwd, env, readyWithinMs = 60_000, stopWithinMs = 40_000 } = options
  const startedAt = performance.now()
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  await once(child, 'spawn')
  const pid = child.pid as number
  let output = ''
  const exited = once(child, 'exit').then(([code]): number | null => code)
  const closed = once(child, 'close')
  let isReady = false
  const ready = new Promise<void>((resolve) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString()
      // Only until then: each look makes one text of all that was written.
      if (!isReady && /^ready\s*$/m.test(output)) {
        isReady = true
        resolve()
      }
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
  })
  const ended = exited.then(async (code): Promise<void> => {
    if (isReady) return
    signalGroup(pid, 'SIGKILL')
    await closed
    throw new Error(`${command} ended before it was ready (exit code ${code}):\n${output}`)
  })
  const late = (): Error => new Error(`${command} was not ready after ${readyWithinMs} ms:\n${output}`)
  try {
    await within(readyWithinMs, Promise.race([ready, ended]), late)
    isReady = true
  } catch (error) {
    signalGroup(pid, 'SIGKILL')
    throw error
  }
  const stop = async (signal: NodeJS.Signals = 'SIGINT'): Promise<number | null> => {
    signalGroup(pid, signal)
    const stuck = (): Error => new Error(`${command} did not end within ${stopWithinMs} ms of ${signal}:\n${output}`)
    try {
      return await within(stopWithinMs, exited, stuck)
    } finally {
      signalGroup(pid, 'SIGKILL')
    }
  }
  return { pid, readyAfterMs: performance.now() - startedAt, output: () => output, exited, stop }
}
