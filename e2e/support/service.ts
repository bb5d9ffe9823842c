/** One service as a process of its own, from this checkout or from another tree, as a second machine would run it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Listening } from '@sluice/runtime'
import { eventually, type LogLine, parseLog } from './gateway.ts'

const ROOT = join(import.meta.dirname, '..', '..')

export type ServiceProcess = {
  pid: number
  listening: Listening[]
  /** All that it wrote on standard output. */
  log: () => LogLine[]
  /** Steps of messages' lives, by name. */
  events: (name: string) => LogLine[]
  /** Waits for the end, in order or not. Repeating it does no harm. */
  stop: (signal?: NodeJS.Signals) => Promise<void>
}

/** @param tree the checkout whose code it runs; this one unless told */
export const startService = async (name: string, env: NodeJS.ProcessEnv, tree = ROOT): Promise<ServiceProcess> => {
  const args = ['--no-warnings', join(tree, 'services', name, 'src', 'main.ts')]
  const settings = { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] as ('ignore' | 'pipe')[] }
  const child: ChildProcess = spawn(join(ROOT, 'bin', 'node'), args, settings)
  let output = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  // A service tells its supervisor where it listens, once it runs.
  let listening: Listening[] | null = null
  child.once('message', (message: { listening?: Listening[] }) => {
    listening = message.listening ?? []
  })
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }
  const found = await eventually(`${name} to run`, () => listening, 30_000).catch(async (fault: unknown) => {
    await stop('SIGKILL')
    throw fault
  })
  const log = (): LogLine[] => parseLog(output)
  return {
    pid: child.pid as number,
    listening: found,
    log,
    events: (event) => log().filter((line) => line.event === event),
    stop,
  }
}
