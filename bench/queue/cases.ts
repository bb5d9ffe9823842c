/** The cases of `npm run bench:queue`; each yields rows of one of its tables. */
import { startAgent } from './agents.ts'
import { startBenchSpool } from './bench-spool.ts'
import { admitAll, drain, type Flow, type FlowParts, flow, names } from './flow.ts'
import { type LargeSpool, measureLargeSpool } from './million.ts'
import { startService } from './services.ts'

export type QueueSize = { flow: number; drain: number; manyDestinations: number; waiting: number; waitingDestinations: number }
export const FULL: QueueSize = {
  flow: 30_000,
  drain: 50_000,
  manyDestinations: 20_000,
  waiting: 1_000_000,
  waitingDestinations: 1000,
}
export const QUICK: QueueSize = { flow: 5000, drain: 5000, manyDestinations: 2000, waiting: 50_000, waitingDestinations: 500 }

export type CaseResult = { kind: 'flow'; title: string; flow: Flow } | { kind: 'large'; title: string; large: LargeSpool }

export type QueueCase = {
  name: string
  run: (size: QueueSize, say: (text: string) => void, signal: AbortSignal) => Promise<CaseResult>
}

type Scale = { agents: number; lanes?: number; shards?: number }

/** A spool with a real spooler and so many agents, for the time of `use`. */
const withSpool = async <T>(
  { agents, lanes = 1, shards = 1 }: Scale,
  signal: AbortSignal,
  use: (parts: FlowParts) => Promise<T>,
): Promise<T> => {
  const spool = await startBenchSpool(lanes, shards)
  const started: FlowParts['agents'] = []
  let spooler: FlowParts['spooler'] | null = null
  try {
    spooler = await startService('spooler', spool.config, spool.data)
    for (let i = 0; i < agents; i++) started.push(await startAgent(spool.redis, spool.lanes))
    return await use({ spool, agents: started, spooler, signal })
  } finally {
    await Promise.all(started.map((agent) => agent.stop()))
    await spooler?.stop()
    await spool.stop()
  }
}

const count = (n: number): string => n.toLocaleString('en')

/** So many messages pass before what is measured, to compile. */
const WARM_UP = 2000

const flowCase = (name: string, destinations: (size: QueueSize) => number): QueueCase => ({
  name,
  run: (size, _, signal) =>
    withSpool({ agents: 1 }, signal, async (parts) => {
      const all = names(destinations(size))
      const warm = names(Math.min(all.length, 100), 'warm')
      await parts.spool.grant([...warm, ...all])
      await flow(parts, warm, WARM_UP)
      const title = `${count(all.length)} destination${all.length === 1 ? '' : 's'}, admitted and drained at once, 1 agent`
      return { kind: 'flow', title, flow: await flow(parts, all, size.flow) }
    }),
})

const drainCase = (scale: Scale, name = `agents${scale.agents}`, where = ''): QueueCase => ({
  name,
  run: (size, _, signal) =>
    withSpool(scale, signal, async (parts) => {
      const warm = names(100, 'warm')
      await parts.spool.grant(warm)
      await flow(parts, warm, WARM_UP)
      const all = names(100)
      // Without a spooler nothing gets a grant, and so nothing leaves.
      parts.spooler.freeze()
      const ids = await admitAll(parts.spool, all, size.drain, { contentBytes: 2048, clients: 2000, signal })
      const open = async (): Promise<void> => {
        await parts.spool.grant(all)
        parts.spooler.thaw()
      }
      const title = `100 destinations, waiting mail drained by ${scale.agents} agent${scale.agents === 1 ? '' : 's'}${where}`
      return { kind: 'flow', title, flow: await drain(parts, ids, open) }
    }),
})

const largeCase: QueueCase = {
  name: 'million',
  run: async ({ waiting, waitingDestinations, flow: messages }, say, signal) => {
    const size = { waiting, destinations: waitingDestinations, flowMessages: Math.ceil(messages / 5) }
    const title = `${count(waiting)} waiting over ${count(waitingDestinations)} destinations`
    return { kind: 'large', title, large: await measureLargeSpool(size, say, signal) }
  },
}

export const QUEUE_CASES: readonly QueueCase[] = [
  flowCase('one', () => 1),
  flowCase('hundred', () => 100),
  flowCase('many', ({ manyDestinations }) => manyDestinations),
  ...[1, 2, 4].map((agents) => drainCase({ agents })),
  ...[1, 2, 4].map((agents) =>
    drainCase({ agents, lanes: 16, shards: 3 }, `cluster${agents}`, ', Redis Cluster of 3 shards, 16 lanes'),
  ),
  drainCase({ agents: 1, lanes: 16 }, 'lanes16', ', one Redis, 16 lanes'),
  largeCase,
]
