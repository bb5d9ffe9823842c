/** Starts agents without a far end (agent-process.ts), and asks them what they have settled. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { RedisConfig } from '@sluice/runtime'
import { processFigures } from '../support/processes.ts'

/** `whole`: with all IDs since the last time. */
export type AgentQuestion = { whole: boolean }
export type AgentAnswer = {
  count: number
  /** Tasks that were not as they had been admitted. */
  strange: number
  ids: string[]
}

export type Agent = {
  ask: (question: AgentQuestion) => Promise<AgentAnswer>
  cpuMs: () => Promise<number>
  stop: () => Promise<void>
}

const SESSIONS = 50

export const startAgent = async (redis: RedisConfig, lanes: number): Promise<Agent> => {
  const child = fork(join(import.meta.dirname, 'agent-process.ts'), [JSON.stringify(redis), String(lanes), String(SESSIONS)], {
    execArgv: ['--no-warnings'],
    serialization: 'advanced',
  })
  const exited = once(child, 'exit')
  const ended = exited.then(([code]) => {
    throw new Error(`an agent of the bench ended with exit code ${code}`)
  })
  ended.catch(() => {}) // told to whoever waits for an answer
  const next = async (): Promise<unknown> => (await Promise.race([once(child, 'message'), ended]))[0]
  await next()
  return {
    ask: (question) => {
      const answer = next() as Promise<AgentAnswer>
      child.send(question)
      return answer
    },
    cpuMs: async () => (await processFigures(child.pid as number)).cpuMs,
    stop: async () => {
      child.kill('SIGKILL') // Whatever it has in hand is the next case's no more: each case has a spool of its own.
      await exited
    },
  }
}
