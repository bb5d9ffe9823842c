/**
 * The delivery-agent's side of the spool: one turn of a session after the other. The script settles and hands out; nothing here
 * decides when anything is tried.
 */
import { lanePrefix, type Mark, type SiteReport, type Task } from '@sluice/contracts'
import type { Cluster, Redis } from 'ioredis'
import { type Batches, createBatches } from './batches.ts'
import { encodeTask } from './payload.ts'
import { createRunner } from './script.ts'
import { unpackTranscript } from './transcript.ts'

export type Settlement =
  /** Delivered or bounced, all recipients; `history` is what trace shows later. */
  | { kind: 'finish'; id: string; history: string }
  /** Waits until `at` (ms) with the task as it stands now. */
  | { kind: 'defer'; task: Task; at: number; transcript: Buffer }
  /** Back to the front of the queue: not an attempt. */
  | { kind: 'return'; id: string }
  /** What became of some recipients; another settlement of the same turn says what becomes of the task. */
  | { kind: 'remember'; id: string; history: string }
  /** Set aside for the postmaster: counted and shown. */
  | { kind: 'park'; id: string; reason: string; task: Task | null }
  /** The postmaster holds it: parked until `release`, and not an attempt. */
  | { kind: 'hold'; id: string; reason: string; mark: Mark }

export type HandedTask = {
  id: string
  /** The payload as it stands in Redis; the reader decodes or parks it. */
  data: string
  /** Attempts counted, this one included. */
  attempts: number
  content: Buffer | null
  /** A run before this one was about to end the content: the far end may have the message. */
  marked: boolean
  /** The run that took it: an earlier one died with it in hand; this one, when the reply that handed it out was lost. */
  takenBy: number
  /** What the postmaster wants done with it (a mark, JSON). */
  verb: string | null
}

export type Turn =
  | { kind: 'fenced' }
  | { kind: 'closed'; why: string }
  | { kind: 'task'; task: HandedTask }
  /** What this session has in hand: marked tasks of an errand, or see `takenBy`. */
  | { kind: 'recovered'; tasks: HandedTask[] }
  | { kind: 'wait'; ms: number }
  | { kind: 'sleep'; ms: number }
  /** Nothing to take: more may come within this time; then the turn is `resume`. */
  | { kind: 'linger'; ms: number }

/** One run of a session: `run` counts how often it was taken, `token` is the lock of this time. */
export type SessionKey = { lane: number; destination: string; id: string; token: string; run: number }
export type TurnMode =
  | 'start'
  | 'run'
  /** As `run`; with nothing to take, the agent of this name hears of what comes. */
  | `linger ${string}`
  /** After it has lingered. */
  | `resume ${string}`
  | `close ${string}`
  | 'expire'
  | 'close'
  | 'errand-start'
  | 'errand'
  | 'errand-close'

/** The channel on which an agent hears of lingering sessions for which something has come: their IDs. */
export const nudgeChannel = (lane: number, agent: string): string => `${lanePrefix(lane)}:nudge:${agent}`

export type SessionClient = {
  turn: (session: SessionKey, mode: TurnMode, settlements: Settlement[], site: SiteReport) => Promise<Turn>
  /** Un-awaited by its caller: says that the content is about to end. */
  mark: (session: SessionKey, id: string) => Promise<unknown>
  /** Why the site was left alone last, in words. */
  siteReason: (session: SessionKey) => Promise<string | null>
  /** The last conversation about a task that waited; empty without one. */
  transcript: (session: SessionKey, id: string) => Promise<string[]>
}

export type SessionClientOptions = {
  redis: Redis | Cluster
  now: () => number
  random: () => number
  historyMax: number
  historyKeepMs: number
  /** A session waits this long for its next moment with its connection open; longer, it sleeps in the queue. */
  nearMs?: number
}

/** A mark that a fenced run leaves behind goes by itself; crashes are found within seconds once an agent runs. */
const MARK_KEPT_MS = 7 * 24 * 3_600_000

const settlementArgs = (settlement: Settlement): (string | number | Buffer)[] => {
  switch (settlement.kind) {
    case 'finish':
    case 'remember':
      return [settlement.kind, settlement.id, settlement.history, '', '']
    case 'defer':
      return ['defer', settlement.task.id, encodeTask(settlement.task), Math.round(settlement.at), settlement.transcript]
    case 'return':
      return ['return', settlement.id, '', '', '']
    case 'park':
      return ['park', settlement.id, settlement.reason, settlement.task === null ? '' : encodeTask(settlement.task), '']
    case 'hold':
      return ['hold', settlement.id, settlement.reason, JSON.stringify(settlement.mark), '']
  }
}

/** As the script takes it: the reason of a failure, or a curb as JSON. */
const wordsOf = (site: SiteReport): string => {
  if (site.kind !== 'curb') return site.kind === 'failed' ? site.reason : ''
  const { kind: _, ...curb } = site
  return JSON.stringify(curb)
}

const text = (value: unknown): string => (Buffer.isBuffer(value) ? value.toString() : String(value ?? ''))

const HANDED_PARTS = 7
const handedTask = (parts: unknown[]): HandedTask => ({
  id: text(parts[0]),
  data: text(parts[1]),
  attempts: Number(parts[2]),
  content: Buffer.isBuffer(parts[3]) ? parts[3] : null,
  marked: Number(parts[4]) === 1,
  takenBy: Number(parts[5]),
  verb: Buffer.isBuffer(parts[6]) ? parts[6].toString() : null,
})

const handedTasks = (parts: unknown[]): HandedTask[] =>
  Array.from({ length: Math.floor(parts.length / HANDED_PARTS) }, (_, i) =>
    handedTask(parts.slice(i * HANDED_PARTS, (i + 1) * HANDED_PARTS)),
  )

const turnOf = (reply: unknown): Turn => {
  if (!Array.isArray(reply)) throw new Error('the spool answered no list')
  const [state, ...rest] = reply
  switch (Number(state)) {
    case -1:
      return { kind: 'fenced' }
    case 0:
      return { kind: 'closed', why: text(rest[0]) }
    case 1:
      return { kind: 'task', task: handedTask(rest) }
    case 2:
      return { kind: 'recovered', tasks: handedTasks(rest) }
    case 3:
      return { kind: 'wait', ms: Number(rest[0]) }
    case 4:
      return { kind: 'sleep', ms: Number(rest[0]) }
    case 5:
      return { kind: 'linger', ms: Number(rest[0]) }
    default:
      throw new Error(`the spool answered with state ${String(state)}`)
  }
}

export const createSessionClient = (options: SessionClientOptions): SessionClient => {
  const { redis, now, random, nearMs = 2000 } = options
  const run = createRunner(redis)
  const batches = new Map<number, Batches>()
  const batchOf = (lane: number): Batches => {
    const known = batches.get(lane) ?? createBatches()
    batches.set(lane, known)
    return known
  }
  return {
    turn: async (session, mode, settlements, site) => {
      const prefix = lanePrefix(session.lane)
      const report = site.kind === 'none' ? '' : site.kind
      const head = [
        prefix,
        session.destination,
        session.id,
        `${session.token} ${session.run}`,
        now(),
        mode,
        nearMs,
        report,
        wordsOf(site),
        random(),
      ]
      const args = [...head, options.historyMax, options.historyKeepMs, ...settlements.flatMap(settlementArgs)]
      return turnOf(await batchOf(session.lane)(() => run('next', `${prefix}:due`, args)))
    },
    mark: (session, id) => redis.set(`${lanePrefix(session.lane)}:${session.destination}:${id}:mark`, '1', 'PX', MARK_KEPT_MS),
    siteReason: async (session) => {
      const prefix = lanePrefix(session.lane)
      const site = await redis.hget(`${prefix}:grant:${session.destination}`, 'site')
      if (site === null) return null
      const [reason, pauseReason] = await redis.hmget(`${prefix}:site:${site}`, 'reason', 'pauseReason')
      return reason ?? pauseReason ?? null
    },
    transcript: async (session, id) => {
      const stored = await redis.getBuffer(`${lanePrefix(session.lane)}:${session.destination}:${id}:transcript`)
      return stored === null ? [] : unpackTranscript(stored)
    },
  }
}
