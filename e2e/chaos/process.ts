/**
 * One process of the gateway: started, killed, frozen, started again. It stays in our process group, so that it goes with us. Each
 * life has a name of its own, `NAME#3`, which its log lines carry from then on.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

export type ProcessSpec = {
  name: string
  command: string
  args: string[]
  env: NodeJS.ProcessEnv
  logFile: string
  /** Resolves when it can do its work; without it, the process says so over IPC, as our services do. */
  isUp?: () => Promise<boolean>
  onLine: (life: string, line: string) => void
}

export type Process = {
  name: string
  /** The name of the present life, or of the last one. */
  life: () => string
  /** Resolves when it is up. */
  up: () => Promise<void>
  /** kill −9; resolves when it is gone. */
  kill: () => Promise<void>
  /** Resolves when it has ended by itself, or after so long; whether it has. */
  ended: (withinMs: number) => Promise<boolean>
  start: () => void
  freeze: () => void
  resume: () => void
  /** For good: SIGTERM, and SIGKILL when it is late; whether it ended by itself. */
  stop: (withinMs: number) => Promise<boolean>
  /** Ends that nobody asked for: exit code or signal. */
  ownEnds: string[]
}

const UP_WITHIN_MS = 120_000

const isListening = (message: unknown): boolean => typeof message === 'object' && message !== null && 'listening' in message

export const createProcess = (spec: ProcessSpec): Process => {
  const file = createWriteStream(spec.logFile, { flags: 'a' })
  const ownEnds: string[] = []
  let child: ChildProcess | null = null
  let lives = 0
  let isUp = false
  let isWanted = false
  let isOver = false
  const life = (): string => `${spec.name}#${lives}`

  const start = (): void => {
    if (child !== null || isOver) return
    isWanted = true
    lives++
    isUp = false
    const own = life()
    const ipc = spec.isUp === undefined
    const born = spawn(spec.command, spec.args, {
      env: spec.env,
      stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? (['ipc'] as const) : [])],
    })
    child = born
    for (const stream of [born.stdout, born.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream }).on('line', (line) => {
        file.write(`${own} ${line}\n`)
        spec.onLine(own, line)
      })
    }
    born.on('message', (message) => {
      if (isListening(message)) isUp = true
    })
    born.on('error', () => {})
    born.once('exit', (code, signal) => {
      child = null
      isUp = false
      if (!isWanted) return
      ownEnds.push(`${own}: ${signal ?? `exit code ${code}`}`)
      setTimeout(() => isWanted && start(), 300)
    })
  }
  const gone = async (): Promise<void> => {
    const own = child
    if (own !== null) await once(own, 'exit')
  }
  return {
    name: spec.name,
    life,
    start,
    up: async () => {
      const lateAt = Date.now() + UP_WITHIN_MS
      const answers = async (): Promise<boolean> => isUp || (child !== null && spec.isUp !== undefined && (await spec.isUp()))
      while (!(await answers())) {
        if (Date.now() > lateAt) throw new Error(`${spec.name} is not up after ${UP_WITHIN_MS / 1000} s; see ${spec.logFile}`)
        await sleep(20)
      }
    },
    kill: async () => {
      isWanted = false
      child?.kill('SIGKILL')
      await gone()
    },
    ended: async (withinMs) => {
      isWanted = false
      return Promise.race([gone().then(() => true), sleep(withinMs, false)])
    },
    freeze: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    stop: async (withinMs) => {
      isOver = true
      isWanted = false
      const own = child
      if (own === null) return true
      own.kill('SIGCONT')
      own.kill('SIGTERM')
      const inTime = await Promise.race([gone().then(() => true), sleep(withinMs, false)])
      if (!inTime) own.kill('SIGKILL')
      await gone()
      return inTime
    },
    ownEnds,
  }
}
