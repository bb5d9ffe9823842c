/**
 * Moves the messages through one contender: from smtp-source over 20 connections into smtp-sink. The time runs from the
 * start of smtp-source until the sink has the last message. The last count is made when the contender has stopped.
 */
import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { runProgram } from '@sluice/testkit'
import type { Contender, RunningContender } from './contender.ts'
import { type Sink, startSink } from './sink.ts'

export type Load = { count: number; sizeBytes: number; connections: number }

export type Result = { name: string; sent: number; arrived: number; doubles: number; tookMs: number; perSecond: number }

/** Without a new arrival for so long, the rest is taken for lost. */
const PATIENCE_MS = 30_000

const send = async (port: number, load: Load, signal: AbortSignal): Promise<void> => {
  const { count, sizeBytes, connections } = load
  const amount = ['-s', String(connections), '-m', String(count), '-l', String(sizeBytes)]
  // -d: a connection carries many messages. -N: every recipient gets a number of its own.
  const addresses = ['-f', 'source@bench.test', '-t', 'bench@far.bench.test']
  await runProgram('smtp-source', ['-d', '-N', ...amount, ...addresses, `127.0.0.1:${port}`], signal)
}

const waitForAll = async (sink: Sink, count: number, signal: AbortSignal): Promise<void> => {
  let best = 0
  let lateAt = Date.now() + PATIENCE_MS
  for (;;) {
    const { distinct } = await sink.count()
    if (distinct >= count) return
    if (distinct > best) {
      best = distinct
      lateAt = Date.now() + PATIENCE_MS
    }
    if (Date.now() > lateAt) return
    await pause(200, undefined, { signal }) // the time is that of the last arrival, not of the look
  }
}

const moveAll = async (running: RunningContender, sink: Sink, load: Load, signal: AbortSignal): Promise<number> => {
  const failed = new AbortController()
  const either = AbortSignal.any([signal, failed.signal])
  const startedAt = Date.now()
  try {
    await Promise.all([send(running.port, load, either), waitForAll(sink, load.count, either)])
  } finally {
    failed.abort()
  }
  return (await sink.count()).lastAt - startedAt
}

/** @param folder a folder of the bench's own, which the caller removes */
export const measure = async (contender: Contender, load: Load, folder: string, signal: AbortSignal): Promise<Result> => {
  const own = join(folder, contender.name.toLowerCase())
  await mkdir(own)
  await chmod(own, 0o755)
  const sink = await startSink(join(own, 'sink'))
  try {
    const running = await contender.start({ folder: own, sinkPort: sink.port })
    let tookMs: number
    try {
      tookMs = await moveAll(running, sink, load, signal)
    } finally {
      await running.stop()
    }
    const { distinct, doubles } = await sink.count()
    return { name: contender.name, sent: load.count, arrived: distinct, doubles, tookMs, perSecond: distinct / (tookMs / 1000) }
  } finally {
    await sink.stop()
  }
}
