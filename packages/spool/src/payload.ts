/** Payloads on their way into and out of Redis. Only these versions are read; what does not decode is parked by its reader. */
import { type Envelope, envelopeSchema, type Mark, markSchema, recipientSchema, type Task, taskSchema } from '@sluice/contracts'
import { z } from 'zod'

export type Decoded<T> = { kind: 'ok'; value: T } | { kind: 'corrupt'; reason: string }

const decode = <T>(schema: z.ZodType<T>, text: string): Decoded<T> => {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    return { kind: 'corrupt', reason: `the payload is no JSON: ${cause instanceof Error ? cause.message : String(cause)}` }
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return { kind: 'ok', value: parsed.data }
  const issue = parsed.error.issues[0]
  return {
    kind: 'corrupt',
    reason: `the payload's ${issue?.path.join('.') || 'form'} is not understood: ${issue?.message ?? 'unknown'}`,
  }
}

export const encodeTask = (task: Task): string => JSON.stringify(task)
export const decodeTask = (text: string): Decoded<Task> => decode(taskSchema, text)

/** A message with several destinations, before the spooler's intake has made its tasks. */
const intakeSchema = z.object({
  envelope: envelopeSchema,
  content: taskSchema.shape.content,
  destinations: z.array(z.object({ destination: z.string(), to: z.array(recipientSchema).min(1) })).min(1),
})
export type Intake = z.infer<typeof intakeSchema>

export const encodeIntake = (intake: Intake): string => JSON.stringify(intake)
export const decodeIntake = (text: string): Decoded<Intake> => decode(intakeSchema, text)

/** The task of one destination. */
export const taskOf = (envelope: Envelope, to: Task['to'], content: Task['content']): Task => ({
  ...envelope,
  to,
  content,
  attempts: [],
})

/** @returns null for none, and for one that is not understood */
export const readMark = (text: string | null): Mark | null => {
  if (text === null || text === '') return null
  const decoded = decode(markSchema, text)
  return decoded.kind === 'ok' ? decoded.value : null
}
