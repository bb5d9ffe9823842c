/** Messages through the spool: admitted as ingress does, settled by agents without a far end, and compared ID by ID. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Agent } from './agents.ts'
import type { BenchSpool } from './bench-spool.ts'
import { type Costs, countCosts } from './costs.ts'
import type { RunningService } from './services.ts'

export type Flow = { messages: number; perSecond: number; exact: boolean } & Costs

/** So many clients wait for their 250 at once. */
const CLIENTS = 100
const PATIENCE_MS = 60_000

export const names = (count: number, word = 'd'): string[] => Array.from({ length: count }, (_, i) => `${word}${i}.bench.test`)

/** Admits messages in turn to the destinations; @returns their IDs */
export const admitAll = async (
  spool: BenchSpool,
  destinations: readonly string[],
  count: number,
  options: { contentBytes: number; clients: number; signal: AbortSignal },
): Promise<string[]> => {
  const ids: string[] = []
  let next = 0
  const client = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) {
      options.signal.throwIfAborted()
      ids.push(await spool.admit(destinations[i % destinations.length] ?? '', options.contentBytes))
    }
  }
  await Promise.all(Array.from({ length: options.clients }, client))
  return ids
}

const settledBy = async (agents: readonly Agent[]): Promise<number> => {
  const answers = await Promise.all(agents.map((agent) => agent.ask({ whole: false })))
  return answers.reduce((sum, { count }) => sum + count, 0)
}

/** Resolves when the agents have settled so many since they were last asked for all, or when nothing moves any more. */
export const awaitSettled = async (agents: readonly Agent[], count: number, signal: AbortSignal): Promise<void> => {
  let best = 0
  let lateAt = Date.now() + PATIENCE_MS
  for (;;) {
    const settled = await settledBy(agents)
    if (settled >= count || Date.now() > lateAt) return
    if (settled > best) {
      best = settled
      lateAt = Date.now() + PATIENCE_MS
    }
    await sleep(20, undefined, { signal })
  }
}

/** Whether the agents settled exactly these since they were last asked, each once. */
export const settledExactly = async (agents: readonly Agent[], ids: readonly string[]): Promise<boolean> => {
  const answers = await Promise.all(agents.map((agent) => agent.ask({ whole: true })))
  const settled = answers.flatMap((answer) => answer.ids)
  const distinct = new Set(settled)
  const strange = answers.some((answer) => answer.strange > 0)
  return !strange && settled.length === distinct.size && distinct.size === ids.length && ids.every((id) => distinct.has(id))
}

export type FlowParts = { spool: BenchSpool; agents: Agent[]; spooler: RunningService; signal: AbortSignal }

/** Admission and delivery side by side, as in life. */
export const flow = async (parts: FlowParts, destinations: readonly string[], messages: number): Promise<Flow> => {
  const { agents, signal } = parts
  const costsOf = await countCosts(parts)
  const startedAt = performance.now()
  const ids = await admitAll(parts.spool, destinations, messages, { contentBytes: 2048, clients: CLIENTS, signal })
  await awaitSettled(agents, messages, signal)
  const tookMs = performance.now() - startedAt
  const costs = await costsOf(messages)
  return { messages, perSecond: messages / (tookMs / 1000), exact: await settledExactly(agents, ids), ...costs }
}

/** Delivery alone, of what waits already: `open` lets it go. */
export const drain = async (parts: FlowParts, ids: readonly string[], open: () => Promise<void>): Promise<Flow> => {
  const { agents, signal } = parts
  const costsOf = await countCosts(parts)
  const startedAt = performance.now()
  await open()
  await awaitSettled(agents, ids.length, signal)
  const tookMs = performance.now() - startedAt
  const costs = await costsOf(ids.length)
  return { messages: ids.length, perSecond: ids.length / (tookMs / 1000), exact: await settledExactly(agents, ids), ...costs }
}
