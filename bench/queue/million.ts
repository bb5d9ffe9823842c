/**
 * What a large spool costs: bytes per waiting task, time to admit one more, what an unrelated destination loses, and how long
 * services and `sluice queue` take with it. The destinations wait for their rate: one message an hour each. So the agents have
 * nothing to do with them once the first have gone, and everything measured stands beside the same on an empty spool.
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { lanePrefix } from '@sluice/contracts'
import { median, percentile } from '../support/numbers.ts'
import { type Agent, startAgent } from './agents.ts'
import { type BenchSpool, startBenchSpool } from './bench-spool.ts'
import { admitAll, awaitSettled, type Flow, flow, names, settledExactly } from './flow.ts'
import { type RunningService, type ServiceName, startService } from './services.ts'

export type LargeSpool = {
  waiting: number
  destinations: number
  filledPerSecond: number
  /** Bytes of Redis per waiting task, without its content. */
  bytesPerTask: number
  /** ms until one more message is durable, on the full spool and on an empty one. */
  admit: { full: { p50: number; p99: number }; empty: { p50: number; p99: number } }
  /** An unrelated destination's flow: full by empty. */
  unrelated: { full: number; empty: number; cpuFullUs: Record<string, number>; cpuEmptyUs: Record<string, number> }
  /** ms until ready, on the full spool and on an empty one. */
  startUp: Record<string, { full: number; empty: number }>
  queueVerbMs: { full: number; empty: number }
  exact: boolean
}

const CONTENT_BYTES = 256
/** Neighbours for one destination pile up for one call. */
const PILE = 100
/** What a rate of one an hour lets go at once: one, and one to catch up. */
const FIRST = 2
const SLOWLY = { intervalUs: 3_600_000_000, sessions: 1, siteSessions: 1 }
const SLUICE = join(import.meta.dirname, '..', '..', 'bin', 'sluice')
const ROUNDS = 3
const ONE_MORE = 300
/** Destinations with mail on the spool that is empty but for them, so that one more message is alike on both. */
const FEW = 10
const UNRELATED = ['unrelated.bench.test']

type Side = { spool: BenchSpool; agents: Agent[]; spooler: RunningService; signal: AbortSignal }

const memoryOf = async ({ servers: [server] }: BenchSpool): Promise<number> => {
  const info = await server.client.info('memory')
  return Number(/^used_memory:(\d+)/m.exec(info)?.[1] ?? 0)
}

/** A rewrite of the log forks Redis and would be measured with whatever runs beside it. */
const awaitQuietLog = async ({ servers: [server] }: BenchSpool, signal: AbortSignal): Promise<void> => {
  while (/aof_rewrite_in_progress:1|aof_rewrite_scheduled:1/.test(await server.client.info('persistence'))) {
    await sleep(100, undefined, { signal })
  }
}

const fill = async (spool: BenchSpool, destinations: string[], count: number, signal: AbortSignal): Promise<string[]> => {
  const turns = destinations.flatMap((each) => Array.from({ length: PILE }, () => each))
  return admitAll(spool, turns, count, { contentBytes: CONTENT_BYTES, clients: 8 * PILE, signal })
}

const oneMore = async (spool: BenchSpool, destinations: string[]): Promise<{ p50: number; p99: number }> => {
  const times: number[] = []
  for (let i = 0; i < ONE_MORE; i++) {
    const startedAt = performance.now()
    await spool.admit(destinations[(i * 7919) % destinations.length] ?? '', CONTENT_BYTES)
    times.push(performance.now() - startedAt)
  }
  return { p50: median(times), p99: percentile(times, 0.99) }
}

/** Medians, by stage. */
const cpuOf = (flows: readonly Flow[]): Record<string, number> => {
  const stages = Object.keys(flows[0]?.cpuUs ?? {})
  return Object.fromEntries(stages.map((stage) => [stage, median(flows.map(({ cpuUs }) => cpuUs[stage] ?? 0))]))
}

/** In turns, so that what disturbs the machine disturbs both. */
const unrelatedFlow = async (
  full: Side,
  empty: Side,
  messages: number,
): Promise<LargeSpool['unrelated'] & { exact: boolean }> => {
  const flows: { full: Flow[]; empty: Flow[] } = { full: [], empty: [] }
  for (let round = 0; round <= ROUNDS; round++) {
    const pair = { full: await flow(full, UNRELATED, messages), empty: await flow(empty, UNRELATED, messages) }
    if (round === 0) continue // the first is for compiling
    flows.full.push(pair.full)
    flows.empty.push(pair.empty)
  }
  return {
    full: median(flows.full.map(({ perSecond }) => perSecond)),
    empty: median(flows.empty.map(({ perSecond }) => perSecond)),
    cpuFullUs: cpuOf(flows.full),
    cpuEmptyUs: cpuOf(flows.empty),
    exact: [...flows.full, ...flows.empty].every(({ exact }) => exact),
  }
}

const queueVerb = async ({ config, data }: BenchSpool): Promise<number> => {
  const startedAt = performance.now()
  await promisify(execFile)(SLUICE, ['queue', '--config', config, '--data', data], { maxBuffer: 2 ** 28 })
  return performance.now() - startedAt
}

const startUpOf = async (name: ServiceName, { config, data }: BenchSpool): Promise<number> => {
  const service = await startService(name, config, data)
  await service.stop()
  return service.readyMs
}

const restartRedis = async ({ servers: [server] }: BenchSpool): Promise<number> => {
  await server.kill()
  const startedAt = performance.now()
  await server.start()
  return performance.now() - startedAt
}

/** Services and verbs, one after the other; Redis last: the connections of the bench see it go. */
const startUps = async (
  full: BenchSpool,
  empty: BenchSpool,
  say: (text: string) => void,
): Promise<Pick<LargeSpool, 'startUp' | 'queueVerbMs'>> => {
  const startUp: LargeSpool['startUp'] = {}
  for (const name of ['ingress', 'spooler', 'delivery-agent', 'mailbox'] as const) {
    await startUpOf(name, empty) // fills the cache of compiled code
    startUp[name] = { full: await startUpOf(name, full), empty: await startUpOf(name, empty) }
    say(`${name} ready after ${startUp[name].full.toFixed(0)} ms, on an empty spool ${startUp[name].empty.toFixed(0)} ms`)
  }
  await queueVerb(empty)
  const queueVerbMs = { full: await queueVerb(full), empty: await queueVerb(empty) }
  say(`sluice queue: ${queueVerbMs.full.toFixed(0)} ms, on an empty spool ${queueVerbMs.empty.toFixed(0)} ms`)
  startUp['redis, killed'] = { full: await restartRedis(full), empty: await restartRedis(empty) }
  return { startUp, queueVerbMs }
}

const withAgents = async (spool: BenchSpool, signal: AbortSignal): Promise<Side> => {
  await spool.grant(UNRELATED)
  const spooler = await startService('spooler', spool.config, spool.data)
  return { spool, agents: [await startAgent(spool.redis, spool.lanes)], spooler, signal }
}

const stopSide = async ({ agents, spooler }: Side): Promise<void> => {
  await Promise.all(agents.map((agent) => agent.stop()))
  await spooler.stop()
}

type Say = (text: string) => void
type Size = { waiting: number; destinations: number; flowMessages: number }

/** Tasks that wait, by Redis's own count; after a kill −9 it tells whether what was acknowledged is there. */
const waitingIn = async ({ servers: [server] }: BenchSpool, destinations: readonly string[]): Promise<number> => {
  const lengths = destinations.map((each) => server.client.llen(`${lanePrefix(0)}:${each}:wait`))
  return (await Promise.all(lengths)).reduce((sum, each) => sum + each, 0)
}

type Sides = { full: Side; empty: Side }

/** What is measured while agents and spoolers run on both. */
const measureRunning = async ({ full, empty }: Sides, destinations: string[], size: Size, say: Say) => {
  const atOnce = FIRST * destinations.length
  await awaitSettled(full.agents, atOnce, full.signal)
  const went = (await full.agents[0]?.ask({ whole: true }))?.count ?? 0
  await awaitQuietLog(full.spool, full.signal)
  const unrelated = await unrelatedFlow(full, empty, size.flowMessages)
  say(`an unrelated destination: ${unrelated.full.toFixed(0)}/s, on an empty spool ${unrelated.empty.toFixed(0)}/s`)
  const few = names(FEW, 'waits')
  await empty.spool.grant(few, SLOWLY)
  await fill(empty.spool, few, FEW * PILE, empty.signal)
  await awaitSettled(empty.agents, FIRST * FEW, empty.signal)
  const admit = { full: await oneMore(full.spool, destinations), empty: await oneMore(empty.spool, few) }
  say(`one more message: ${admit.full.p50.toFixed(2)} ms, on an empty spool ${admit.empty.p50.toFixed(2)} ms`)
  const wentHere = (await empty.agents[0]?.ask({ whole: true }))?.count ?? 0
  const idle = await settledExactly(full.agents, [])
  const exact = went === atOnce && unrelated.exact && wentHere === FIRST * FEW && idle
  if (!exact) say(`NOT EXACT: first ${went} of ${atOnce} and ${wentHere} of ${FIRST * FEW}, full spool idle: ${idle}`)
  return { unrelated, admit, exact }
}

const measureBoth = async (full: BenchSpool, empty: BenchSpool, size: Size, say: Say, signal: AbortSignal) => {
  const destinations = names(size.destinations, 'waits')
  await full.grant(destinations, SLOWLY)
  const before = await memoryOf(full)
  const startedAt = performance.now()
  await fill(full, destinations, size.waiting, signal)
  const filledPerSecond = size.waiting / ((performance.now() - startedAt) / 1000)
  const bytesPerTask = ((await memoryOf(full)) - before) / size.waiting - CONTENT_BYTES
  say(
    `filled with ${size.waiting} at ${filledPerSecond.toFixed(0)}/s, ${bytesPerTask.toFixed(0)} bytes a task beside its content`,
  )
  const sides: Side[] = []
  try {
    for (const spool of [full, empty]) sides.push(await withAgents(spool, signal))
    const [one, other] = sides
    if (one === undefined || other === undefined) throw new Error('there are two sides')
    const running = await measureRunning({ full: one, empty: other }, destinations, size, say)
    for (const side of sides.splice(0)) await stopSide(side)
    await awaitQuietLog(full, signal)
    const starts = await startUps(full, empty, say)
    const waiting = await waitingIn(full, destinations)
    const acknowledged = size.waiting - FIRST * destinations.length + ONE_MORE
    if (waiting !== acknowledged) say(`NOT EXACT: ${waiting} wait after kill -9, ${acknowledged} were acknowledged`)
    return { ...size, filledPerSecond, bytesPerTask, ...running, ...starts, exact: running.exact && waiting === acknowledged }
  } finally {
    for (const side of sides) await stopSide(side).catch(() => {})
  }
}

/** @param say told what has been found so far */
export const measureLargeSpool = async (size: Size, say: Say, signal: AbortSignal): Promise<LargeSpool> => {
  const full = await startBenchSpool()
  const empty = await startBenchSpool()
  try {
    return await measureBoth(full, empty, size, say, signal)
  } finally {
    await Promise.all([full.stop(), empty.stop()])
  }
}
