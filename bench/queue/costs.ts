/** What a stretch of work on a bench spool cost: CPU by stage, and Redis commands. */
import { callsBetween, commandCalls } from '../support/redis-calls.ts'
import type { Agent } from './agents.ts'
import type { BenchSpool } from './bench-spool.ts'
import type { RunningService } from './services.ts'

export type Costs = {
  /** µs per message, by stage. */
  cpuUs: Record<string, number>
  /** Per message: calls of scripts, and all commands, those within scripts included. */
  redis: { scripts: number; all: number }
}

type Parts = { spool: BenchSpool; agents: Agent[]; spooler: RunningService | null }
type Look = { cpuMs: Record<string, number>; calls: Record<string, number> }

const redisCpuMs = async ({ servers }: BenchSpool): Promise<number> => {
  let sum = 0
  for (const { client } of servers) {
    const info = await client.info('cpu')
    const seconds = (name: string): number => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1] ?? 0)
    sum += (seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1000
  }
  return sum
}

const callsOf = async ({ servers }: BenchSpool): Promise<Record<string, number>> => {
  const sum: Record<string, number> = {}
  for (const { client } of servers)
    for (const [name, calls] of Object.entries(await commandCalls(client))) sum[name] = (sum[name] ?? 0) + calls
  return sum
}

const look = async ({ spool, agents, spooler }: Parts): Promise<Look> => {
  const { user, system } = process.cpuUsage()
  const ofAgents = await Promise.all(agents.map((agent) => agent.cpuMs()))
  return {
    cpuMs: {
      admission: (user + system) / 1000,
      agents: ofAgents.reduce((sum, each) => sum + each, 0),
      redis: await redisCpuMs(spool),
      spooler: (await spooler?.cpuMs()) ?? 0,
    },
    calls: await callsOf(spool),
  }
}

/** Starts to count; the result ends it. */
export const countCosts = async (parts: Parts): Promise<(messages: number) => Promise<Costs>> => {
  const before = await look(parts)
  return async (messages) => {
    const after = await look(parts)
    const { scripts, all } = callsBetween(before.calls, after.calls)
    const stages = Object.entries(after.cpuMs)
    return {
      cpuUs: Object.fromEntries(stages.map(([stage, ms]) => [stage, ((ms - (before.cpuMs[stage] ?? 0)) * 1000) / messages])),
      redis: { scripts: scripts / messages, all: all / messages },
    }
  }
}
