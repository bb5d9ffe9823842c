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
