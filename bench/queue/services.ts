/** Starts real services of Sluice, one process each, on a spool of the bench. */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { NODE_FLAGS } from '@sluice/runtime'
import { processFigures } from '../support/processes.ts'

const ROOT = join(import.meta.dirname, '..', '..')

export type ServiceName = 'ingress' | 'spooler' | 'delivery-agent' | 'mailbox'

export type RunningService = {
  /** ms from the start of its process until /readyz says yes. */
  readyMs: number
  cpuMs: () => Promise<number>
  /** Stops its clock, as it were (SIGSTOP), and lets it go on (SIGCONT). */
  freeze: () => void
  thaw: () => void
  stop: () => Promise<void>
}

type Told = { listening?: { name: string; port: number }[]; cannotStart?: string }

const isReady = async (port: number): Promise<boolean> => {
  const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null)
  return response?.ok === true
}

/** @param config its config file */
export const startService = async (name: ServiceName, config: string, data: string): Promise<RunningService> => {
  const startedAt = performance.now()
  const child = fork(join(ROOT, 'services', name, 'src', 'main.ts'), {
    // As `sluice up` starts them.
    execArgv: [...NODE_FLAGS],
    env: {
      NODE_COMPILE_CACHE: join(ROOT, 'node_modules', '.cache', 'compile'),
      ...process.env,
      SLUICE_CONFIG: config,
      SLUICE_DATA: data,
    },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const exited = once(child, 'exit')
  const [told] = (await Promise.race([
    once(child, 'message'),
    exited.then(([code]) => [{ cannotStart: `exit code ${code}` }]),
  ])) as [Told]
  const port = told.listening?.find((each) => each.name === 'http')?.port
  if (port === undefined) throw new Error(`${name} does not start: ${told.cannotStart ?? 'it names no http port'}`)
  while (!(await isReady(port))) await sleep(5)
  return {
    readyMs: performance.now() - startedAt,
    cpuMs: async () => (await processFigures(child.pid as number)).cpuMs,
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    stop: async () => {
      child.kill('SIGTERM')
      await exited
    },
  }
}
