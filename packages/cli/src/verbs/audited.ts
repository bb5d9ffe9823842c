/** Who gives a command, and why; and the notes that the audit keeps of it, before it begins and after it. */
import { randomUUID } from 'node:crypto'
import { hostname, userInfo } from 'node:os'
import type { AuditNote, AuditVerb } from '@sluice/spool'
import type { OpenSpool } from '../with-spool.ts'

export const BY_OPTIONS = { why: { type: 'string' }, as: { type: 'string' } } as const
export const BY_HELP = `  --why TEXT      kept in the audit, and shown with the mail that it concerns
  --as NAME       who says so; your user name and host without it`

export type ByValues = { why?: string | undefined; as?: string | undefined }

const ownName = (): string => {
  try {
    return `${userInfo().username}@${hostname()}`
  } catch {
    return `uid ${process.getuid?.() ?? '?'}@${hostname()}`
  }
}

export const noteOf = (verb: AuditVerb, values: ByValues, query: string): AuditNote => ({
  op: randomUUID(),
  verb,
  who: values.as ?? ownName(),
  why: values.why ?? '',
  query,
})

/** @param act gives the number of what it changed */
export const audited = async (spool: OpenSpool, note: AuditNote, act: () => Promise<number>): Promise<number> => {
  await spool.audit.begin(note)
  const count = await act()
  await spool.audit.end(note, count)
  return count
}
