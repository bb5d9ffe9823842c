/**
 * What the postmaster did, by whom and why: a stream in the first lane, bounded in number. A command notes that it begins, and
 * what it came to; one that was broken off shows by its missing end.
 */
import { lanePrefix } from '@sluice/contracts'
import type { Cluster, Redis } from 'ioredis'
import { createRunner } from './script.ts'

export const AUDIT_VERBS = ['hold', 'release', 'retry', 'bounce', 'delete', 'reroute', 'suspend', 'resume'] as const
export type AuditVerb = (typeof AUDIT_VERBS)[number]

export type AuditNote = {
  /** One per command. */
  op: string
  verb: AuditVerb
  who: string
  why: string
  /** What it was said of, in the words of the command line. */
  query: string
}

export type AuditEntry = AuditNote & {
  /** ms since the epoch */
  at: number
  /** How many messages, destinations or sites it changed; null when it was broken off. */
  count: number | null
}

export type Audit = {
  begin: (note: AuditNote) => Promise<void>
  end: (note: AuditNote, count: number) => Promise<void>
  /** The latest, newest first. */
  entries: (most: number) => Promise<AuditEntry[]>
}

const MOST_KEPT = 10_000
export const AUDIT_KEY = `${lanePrefix(0)}:audit`

/** The fields of an entry of the stream, by name. */
export const auditFields = (flat: readonly string[]): Record<string, string> =>
  Object.fromEntries(Array.from({ length: flat.length >> 1 }, (_, i) => [flat[i * 2] ?? '', flat[i * 2 + 1] ?? '']))

export const createAudit = ({ redis, now }: { redis: Redis | Cluster; now: () => number }): Audit => {
  const run = createRunner(redis)
  const write = async ({ op, verb, who, why, query }: AuditNote, more: (string | number)[]): Promise<void> => {
    const fields = ['op', op, 'verb', verb, 'who', who, 'why', why, 'query', query, 'at', now(), ...more]
    await run('audit', AUDIT_KEY, [lanePrefix(0), MOST_KEPT, ...fields])
  }
  return {
    begin: (note) => write(note, ['step', 'begin']),
    end: (note, count) => write(note, ['step', 'end', 'count', count]),
    entries: async (most) => {
      const found = new Map<string, AuditEntry>()
      // Two notes a command.
      for (const [, flat] of await redis.xrevrange(AUDIT_KEY, '+', '-', 'COUNT', most * 2)) {
        const { op = '', verb = '', who = '', why = '', query = '', at, count } = auditFields(flat)
        const known = found.get(op)
        if (known !== undefined) known.at = Number(at)
        else if (found.size < most) {
          found.set(op, {
            op,
            verb: verb as AuditVerb,
            who,
            why,
            query,
            at: Number(at),
            count: count === undefined ? null : Number(count),
          })
        }
      }
      return [...found.values()]
    },
  }
}

/** Notes of commands that have ended, each to one of all who follow: for the log. A follower that dies in between loses some; the stream keeps them. */
export type FollowAudit = (most: number) => Promise<AuditEntry[]>

const GROUP = 'log'

export const createAuditFollower = ({ redis }: { redis: Redis | Cluster }): FollowAudit => {
  const join = async (): Promise<boolean> => {
    if ((await redis.exists(AUDIT_KEY)) === 0) return false
    await redis.xgroup('CREATE', AUDIT_KEY, GROUP, '0').catch((error: Error) => {
      if (!error.message.startsWith('BUSYGROUP')) throw error
    })
    return true
  }
  return async (most) => {
    if (!(await join())) return []
    const reply = await redis.xreadgroup('GROUP', GROUP, 'follower', 'COUNT', most, 'NOACK', 'STREAMS', AUDIT_KEY, '>')
    const [[, entries = []] = []] = (reply ?? []) as [string, [string, string[]][]][]
    return entries.flatMap(([, flat]) => {
      const { op = '', verb = '', who = '', why = '', query = '', at, count } = auditFields(flat)
      return count === undefined ? [] : [{ op, verb: verb as AuditVerb, who, why, query, at: Number(at), count: Number(count) }]
    })
  }
}
