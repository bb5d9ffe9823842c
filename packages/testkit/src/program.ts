/** Programs that tests and the bench start: their last words are kept for error messages, and none outlives who started it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { delimiter } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

export type Program = {
  child: ChildProcess
  output: () => string
  /** Exit code, or null when a signal ended it. */
  exited: Promise<number | null>
  stop: (signal: NodeJS.Signals) => Promise<void>
}

/** Mail servers lie outside the PATH of ordinary users. */
const PATH = [process.env.PATH ?? '', '/usr/local/sbin', '/usr/sbin', '/sbin'].join(delimiter)
const KEPT_CHARACTERS = 10_000
const STOP_WITHIN_MS = 10_000

export const startProgram = async (command: string, args: string[]): Promise<Program> => {
  const child = spawn(command, args, { env: { ...process.env, PATH }, stdio: ['ignore', 'pipe', 'pipe'] })
  await once(child, 'spawn')
  let output = ''
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-KEPT_CHARACTERS)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const exited = once(child, 'exit').then(([code]): number | null => code)
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    const hard = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS)
    await exited
    clearTimeout(hard)
  }
  return { child, output: () => output, exited, stop }
}

/** Runs a program to its end; throws with its output unless it exits with 0. */
export const runProgram = async (command: string, args: string[], signal?: AbortSignal): Promise<string> => {
  const program = await startProgram(command, args)
  const end = (): void => void program.stop('SIGTERM')
  signal?.addEventListener('abort', end, { once: true })
  const code = await program.exited
  signal?.removeEventListener('abort', end)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with exit code ${code}: ${program.output().trim()}`)
  return program.output()
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })

/** Waits until something listens on the port; throws after `withinMs`, or when the program that should has ended. */
export const waitForPort = async (port: number, program?: Program, withinMs = 20_000): Promise<void> => {
  const lateAt = Date.now() + withinMs
  while (!(await accepts(port))) {
    if (program !== undefined && program.child.exitCode !== null) throw new Error(`ended at once: ${program.output().trim()}`)
    if (Date.now() > lateAt) throw new Error(`nothing listens on port ${port} after ${withinMs} ms`)
    await pause(50)
  }
}
