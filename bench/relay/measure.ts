/**
 * One run: the messages of a case through one contender, from the source into the sink. The time runs from the start of the
 * source until the sink has the last message; CPU is counted a little longer, until the contender has settled what it delivered.
 * The last count is made when the contender has stopped.
 */
import { chmod } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { median, monotonicUs, percentile } from '../support/numbers.ts'
import { processFigures, processTree } from '../support/processes.ts'
import { callsBetween } from '../support/redis-calls.ts'
import type { Case } from './cases.ts'
import type { Contender, RunningContender } from './contender.ts'
import { type Mark, type Sink, startSink } from './sink.ts'
import { flood, type Load, pace } from './source.ts'

export type Latency = { p50Ms: number; p99Ms: number; mostMs: number }

export type Result = {
  contender: string
  case: string
  sent: number
  /** Different messages at the sink. */
  arrived: number
  doubles: number
  /** Messages that came shorter than they were sent, and recipients that nobody sent to. */
  spoiled: number
  tookMs: number
  perSecond: number
  /** µs per message, by stage; the contender's own, then `source` and `sink`. */
  cpuUs: Record<string, number>
  /** The part of the machine's CPU time that all of them together used while mail came. */
  busyShare: number
  /** Peak bytes of the largest process of each stage. */
  peakBytes: Record<string, number>
  /** Per message: calls of scripts, and all commands, those of scripts included. */
  redis: { scripts: number; all: number } | null
  latency: Latency | null
}

/** Without a new arrival for so long, the rest is taken for lost. */
const PATIENCE_MS = 30_000
/** What is done with a message after its arrival is done by then. */
const SETTLE_MS = 500

/** @returns whether all came */
const waitForAll = async (sink: Sink, mark: Mark, count: number, signal: AbortSignal): Promise<boolean> => {
  let best = 0
  let lateAt = Date.now() + PATIENCE_MS
  for (;;) {
    const { distinct } = await sink.count(mark)
    if (distinct >= count) return true
    if (distinct > best) {
      best = distinct
      lateAt = Date.now() + PATIENCE_MS
    }
    if (Date.now() > lateAt) return false
    await pause(100, undefined, { signal }) // the time is that of the last arrival, not of the look
  }
}

const latencyOf = (begun: Map<number, number>, arrivals: Map<number, number>): Latency => {
  const times = [...arrivals].map(([number, at]) => (at - (begun.get(number) ?? Number.NaN)) / 1000)
  return { p50Ms: median(times), p99Ms: percentile(times, 0.99), mostMs: Math.max(...times) }
}

type Stages = Map<string, { cpuMs: number; peakBytes: number }>

/** The contender's stages, the source (programs that this process started and that have ended) and the sink. */
const lookAt = async ({ root, stageOf }: RunningContender, sink: Sink): Promise<Stages> => {
  const stages: Stages = new Map()
  const add = (stage: string, cpuMs: number, peakBytes: number): void => {
    const known = stages.get(stage) ?? { cpuMs: 0, peakBytes: 0 }
    stages.set(stage, { cpuMs: known.cpuMs + cpuMs, peakBytes: Math.max(known.peakBytes, peakBytes) })
  }
  for (const each of await processTree(root)) {
    add(stageOf(each), each.cpuMs, each.peakBytes)
    if (each.endedCpuMs > 0) add('ended', each.endedCpuMs, 0)
  }
  add('source', (await processFigures(process.pid)).endedCpuMs, 0)
  add('sink', (await processFigures(sink.pid)).cpuMs, 0)
  return stages
}

type Run = { running: RunningContender; sink: Sink; load: Load; perSecond: number | null; signal: AbortSignal }

/** Moves all messages of one mark; @returns the time until the last arrival, and of a paced load how long each took. */
const moveAll = async (run: Run, mark: Mark): Promise<{ tookMs: number; latency: Latency | null }> => {
  const { running, sink, load, perSecond } = run
  const failed = new AbortController()
  const signal = AbortSignal.any([run.signal, failed.signal])
  const startedUs = monotonicUs()
  try {
    const sent =
      perSecond === null || mark === 'warm'
        ? flood(running.port, load, mark, signal)
        : pace(running.port, { ...load, perSecond }, signal)
    // A source that hangs when nothing has arrived for long is ended by `failed`, and what is missing counts as lost.
    const arrived = waitForAll(sink, mark, load.count, signal)
    const begun = await Promise.race<Map<number, number> | null>([sent, arrived.then((all) => (all ? sent : null))])
    await arrived
    const { lastUs } = await sink.count(mark)
    const latency = begun !== null ? latencyOf(begun, await sink.arrivals(mark)) : null
    return { tookMs: (lastUs - startedUs) / 1000, latency }
  } finally {
    failed.abort()
  }
}

const perMessage = (before: Stages, after: Stages, count: number): Record<string, number> =>
  Object.fromEntries(
    [...after].map(([stage, { cpuMs }]) => [stage, Math.max(0, ((cpuMs - (before.get(stage)?.cpuMs ?? 0)) * 1000) / count)]),
  )

type Measured = Pick<Result, 'tookMs' | 'perSecond' | 'cpuUs' | 'busyShare' | 'peakBytes' | 'redis' | 'latency'>

const measureRunning = async (run: Run, one: Case, cores: number): Promise<Measured> => {
  const { running, sink, load } = run
  await moveAll({ ...run, load: { ...load, count: one.warmUp } }, 'warm')
  await pause(SETTLE_MS)
  const callsBefore = await running.redisCalls?.()
  const before = await lookAt(running, sink)
  const { tookMs, latency } = await moveAll(run, 'bench')
  await pause(SETTLE_MS)
  const after = await lookAt(running, sink)
  const callsAfter = await running.redisCalls?.()
  const cpuUs = perMessage(before, after, load.count)
  const calls = callsBefore && callsAfter ? callsBetween(callsBefore, callsAfter) : null
  return {
    tookMs,
    perSecond: load.count / (tookMs / 1000),
    cpuUs,
    busyShare: (Object.values(cpuUs).reduce((sum, each) => sum + each, 0) * load.count) / (tookMs * 1000 * cores),
    peakBytes: Object.fromEntries([...after].flatMap(([stage, { peakBytes }]) => (peakBytes > 0 ? [[stage, peakBytes]] : []))),
    redis: calls && { scripts: calls.scripts / load.count, all: calls.all / load.count },
    latency,
  }
}

export type MeasureOptions = {
  contender: Contender
  one: Case
  count: number
  /** A new folder, which the caller removes. */
  folder: string
  cores: number
  signal: AbortSignal
}

export const measure = async ({ contender, one, count, folder, cores, signal }: MeasureOptions): Promise<Result> => {
  await chmod(folder, 0o755)
  const { sizeBytes, connections, kept, perSecond } = one
  const sink = await startSink(sizeBytes)
  try {
    const running = await contender.start({ folder, sinkPort: sink.port })
    let measured: Measured
    try {
      measured = await measureRunning(
        { running, sink, load: { count, sizeBytes, connections, kept }, perSecond, signal },
        one,
        cores,
      )
    } finally {
      await running.stop()
    }
    const [warm, bench] = [await sink.count('warm'), await sink.count('bench')]
    return {
      ...measured,
      contender: contender.name,
      case: one.name,
      sent: one.warmUp + count,
      arrived: warm.distinct + bench.distinct,
      doubles: warm.doubles + bench.doubles,
      spoiled: warm.short + bench.short + bench.strays,
    }
  } finally {
    await sink.stop()
  }
}
