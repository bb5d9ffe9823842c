/**
 * Keeps one child process running: started again when it ends, after pauses that grow from 1 s to 30 s and begin anew after a
 * minute of health. The child has a process group of its own, so that a Ctrl-C in the terminal reaches the supervisor alone,
 * which then ends everything in order.
 */
import { type ChildProcess, spawn } from 'node:child_process'

export type ChildSpec = {
  name: string
  command: string
  args: string[]
  env: NodeJS.ProcessEnv
  /** Written to its standard input, which is closed then. */
  input?: string
  /** The child is one of our services: it logs to standard output, and tells where it listens. */
  ipc: boolean
}

export type KeeperEvents = {
  onStart: (pid: number) => void
  onMessage: (message: unknown) => void
  /** The child ended without being asked to. Says whether it is started again. */
  onEnd: (code: number | null, signal: NodeJS.Signals | null, pauseMs: number) => 'restart' | 'give-up'
}

export type Keeper = {
  name: string
  pid: () => number | undefined
  /** SIGTERM, and SIGKILL when it is late. Resolves when the child has ended; true when it did so by itself. */
  stop: (withinMs: number) => Promise<boolean>
}

const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 30_000
const HEALTHY_MS = 60_000

const launch = (spec: ChildSpec): ChildProcess => {
  const input = spec.input === undefined ? 'ignore' : 'pipe'
  const child = spawn(spec.command, spec.args, {
    env: spec.env,
    detached: true,
    stdio: spec.ipc ? [input, 'inherit', 'inherit', 'ipc'] : [input, 'ignore', 'inherit'],
  })
  child.stdin?.on('error', () => {}) // it ended before it read its input; its exit tells
  child.stdin?.end(spec.input)
  return child
}

export const keep = (spec: ChildSpec, events: KeeperEvents): Keeper => {
  let child: ChildProcess | undefined
  let timer: NodeJS.Timeout | undefined
  let stopping = false
  let pauseMs = FIRST_PAUSE_MS
  let onGone: (() => void) | undefined

  const ended = (startedAt: number, code: number | null, signal: NodeJS.Signals | null): void => {
    child = undefined
    if (stopping) {
      onGone?.()
      return
    }
    if (performance.now() - startedAt >= HEALTHY_MS) pauseMs = FIRST_PAUSE_MS
    if (events.onEnd(code, signal, pauseMs) === 'give-up') return
    timer = setTimeout(start, pauseMs)
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
  }
  const start = (): void => {
    const startedAt = performance.now()
    const own = launch(spec)
    child = own
    let over = false
    const once = (code: number | null, signal: NodeJS.Signals | null): void => {
      if (over) return
      over = true
      ended(startedAt, code, signal)
    }
    own.once('error', () => once(null, null)) // could not be started at all
    own.once('exit', once)
    own.on('message', events.onMessage)
    if (own.pid !== undefined) events.onStart(own.pid)
  }
  start()
  return {
    name: spec.name,
    pid: () => child?.pid,
    stop: async (withinMs) => {
      stopping = true
      clearTimeout(timer)
      const own = child
      if (own === undefined) return true
      const gone = new Promise<void>((resolve) => {
        onGone = resolve
      })
      own.kill('SIGTERM')
      let late = false
      const limit = setTimeout(() => {
        late = true
        own.kill('SIGKILL')
      }, withinMs)
      await gone
      clearTimeout(limit)
      return !late
    },
  }
}
