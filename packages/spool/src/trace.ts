/** A message's whole life by its ID: where it waits, each attempt, and what became of it, also after delivery. */
import { type Envelope, lanePrefix, type Mark, markSchema, type Task } from '@sluice/contracts'
import type { Cluster, Redis } from 'ioredis'
import { z } from 'zod'
import { decodeIntake, decodeTask, readMark } from './payload.ts'
import { unpackTranscript } from './transcript.ts'

/** What `next` keeps of a settled task. */
export const historySchema = z.object({
  at: z.number(),
  destination: z.string(),
  from: z.string(),
  receivedAt: z.number(),
  sizeBytes: z.number(),
  client: z.string().optional(),
  attempts: z.array(
    z.object({
      n: z.number(),
      at: z.number(),
      host: z.string().nullable(),
      stage: z.string(),
      reply: z.string(),
      early: z.boolean().optional(),
    }),
  ),
  recipients: z.array(z.object({ address: z.string(), kind: z.string(), status: z.string(), reason: z.string() })),
  notice: z.string().optional(),
  /** The postmaster ended it. */
  by: markSchema.optional(),
  transcript: z.array(z.string()).optional(),
})
export type History = z.infer<typeof historySchema>

export type TraceState = 'waiting' | 'active' | 'delayed' | 'parked'
export type TracedTask = {
  destination: string
  state: TraceState
  task: Task | null
  /** Why it was set aside, or why its payload is not understood. */
  problem: string | null
  nextAttemptAt: number | null
  transcript: string[]
  /** What the postmaster wants done with it, and an agent is still to do. */
  marked: Mark | null
  /** Who holds it, and why. */
  held: Mark | null
  /** What the postmaster did to it so far. */
  deeds: Mark[]
}

export type Trace = {
  id: string
  /** Its tasks are still to be made (several destinations). */
  intake: Envelope | null
  tasks: TracedTask[]
  history: History[]
}

const tracedTask = async (
  redis: Redis | Cluster,
  prefix: string,
  destination: string,
  id: string,
): Promise<TracedTask | null> => {
  const queue = `${prefix}:${destination}`
  const [data, reason, verb, hold, deeds] = await redis.hmget(`${queue}:${id}`, 'data', 'failedReason', 'verb', 'hold', 'deeds')
  if (data === null || data === undefined) return null
  const delayed = await redis.zscore(`${queue}:delayed`, id)
  const parked = await redis.zscore(`${queue}:failed`, id)
  const active = await redis.lpos(`${queue}:active`, id)
  const transcript = await redis.getBuffer(`${queue}:${id}:transcript`)
  const decoded = decodeTask(data)
  return {
    destination,
    state: parked !== null ? 'parked' : delayed !== null ? 'delayed' : active !== null ? 'active' : 'waiting',
    task: decoded.kind === 'ok' ? decoded.value : null,
    problem: reason ?? (decoded.kind === 'corrupt' ? decoded.reason : null),
    nextAttemptAt: delayed === null ? null : Math.floor(Number(delayed) / 0x1000),
    transcript: transcript === null ? [] : unpackTranscript(transcript),
    marked: readMark(verb ?? null),
    held: parked === null ? null : readMark(hold ?? null),
    deeds: (deeds ?? '').split('\n').flatMap((line) => readMark(line) ?? []),
  }
}

const tasksIn = async (redis: Redis | Cluster, prefix: string, id: string): Promise<TracedTask[]> => {
  const names = await redis.smembers(`${prefix}:destinations`)
  const found: TracedTask[] = []
  for (let i = 0; i < names.length; i += 500) {
    const some = names.slice(i, i + 500)
    const pipeline = redis.pipeline()
    for (const name of some) pipeline.exists(`${prefix}:${name}:${id}`)
    const replies = (await pipeline.exec()) ?? []
    for (const [index, [, exists]] of replies.entries()) {
      const task = exists === 1 ? await tracedTask(redis, prefix, some[index] ?? '', id) : null
      if (task !== null) found.push(task)
    }
  }
  return found
}

const historyOf = (lines: string[]): History[] =>
  lines.flatMap((line) => {
    const parsed = historySchema.safeParse(JSON.parse(line))
    return parsed.success ? [parsed.data] : []
  })

/** @returns null when nothing is known of this ID (any more) */
export const createTrace =
  ({ redis, lanes }: { redis: Redis | Cluster; lanes: number }) =>
  async (id: string): Promise<Trace | null> => {
    const trace: Trace = { id, intake: null, tasks: [], history: [] }
    for (let lane = 0; lane < lanes; lane++) {
      const prefix = lanePrefix(lane)
      const data = await redis.hget(`${prefix}:intake:${id}`, 'data')
      const intake = data === null ? null : decodeIntake(data)
      if (intake?.kind === 'ok') trace.intake = intake.value.envelope
      trace.tasks.push(...(await tasksIn(redis, prefix, id)))
      trace.history.push(...historyOf(await redis.lrange(`${prefix}:history:${id}`, 0, -1)))
    }
    const known = trace.intake !== null || trace.tasks.length > 0 || trace.history.length > 0
    return known ? trace : null
  }
