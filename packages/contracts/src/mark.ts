/**
 * What the postmaster wants done with a task: written beside it by the spool's script `mark`, and done by whoever takes the task
 * next. Kept afterwards, too: on a held task as the reason it waits, and in the list of what was done to it.
 */
import { z } from 'zod'

export const MARK_VERBS = ['hold', 'release', 'retry', 'bounce', 'delete', 'reroute'] as const
export type MarkVerb = (typeof MARK_VERBS)[number]

export const markSchema = z.object({
  verb: z.enum(MARK_VERBS),
  /** Name and host of whoever said so. */
  who: z.string(),
  /** In words, '' without. */
  why: z.string(),
  /** The destination of `reroute`. */
  to: z.string().optional(),
  /** ms since the epoch */
  at: z.number(),
  /** One per command that was given: what was begun under it is done once. */
  op: z.string(),
})
export type Mark = z.infer<typeof markSchema>
