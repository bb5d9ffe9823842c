/**
 * What travels through the queues. A message is an envelope and its content; a task is one message for one destination,
 * a BullMQ job in that destination's queue. Payloads carry a version: this one and the one before are accepted, anything
 * else is parked, never dropped.
 */
import { z } from 'zod'

export const PAYLOAD_VERSION = 1

/** RFC 3461 §4.1: when the sender wants to hear about this recipient. */
export const notifySchema = z.enum(['NEVER', 'SUCCESS', 'FAILURE', 'DELAY'])
export type Notify = z.infer<typeof notifySchema>

export const recipientSchema = z.object({
  /** Mailbox as it goes into RCPT TO: local part as it stands, domain as A-labels in lower case. */
  address: z.string(),
  /** Mailbox as the client named it, when an alias, a catch-all or a +tag led to another. */
  original: z.string().optional(),
  /** ORCPT as received, `rfc822;user@example.org`, xtext decoded. */
  orcpt: z.string().optional(),
  notify: z.array(notifySchema).optional(),
})
export type Recipient = z.infer<typeof recipientSchema>

/** Where the bytes are. `inline`: beside the task, written and removed by the scripts that handle the task itself. */
export const contentRefSchema = z.discriminatedUnion('store', [
  z.object({ store: z.literal('inline') }),
  /** In Redis, in `chunks` numbered pieces, in the given lane. */
  z.object({ store: z.literal('redis'), lane: z.number().int(), chunks: z.number().int() }),
  z.object({ store: z.literal('file'), lane: z.number().int() }),
  z.object({ store: z.literal('s3'), lane: z.number().int() }),
])
export type ContentRef = z.infer<typeof contentRefSchema>

export const stageSchema = z.enum([
  'route',
  'resolve',
  'connect',
  'greeting',
  'ehlo',
  'tls',
  'auth',
  'mail',
  'rcpt',
  'data',
  'content',
  'dot',
  'crash',
])
/** How far the conversation had come. `dot`: the final dot was sent; `crash`: the agent died with the task in hand. */
export type Stage = z.infer<typeof stageSchema>

/** One line per attempt, kept with the task and in its history. */
export const attemptSchema = z.object({
  n: z.number().int(),
  /** ms since the epoch */
  at: z.number(),
  host: z.string().nullable(),
  stage: stageSchema,
  /** The far end's reply, or what happened, in words. */
  reply: z.string(),
  /** A reply rule had the next one come sooner than the schedule: that one does not count against it. */
  early: z.boolean().optional(),
})
export type Attempt = z.infer<typeof attemptSchema>

export const envelopeSchema = z.object({
  v: z.literal(PAYLOAD_VERSION),
  /** Message ID: the one in `queued as ID`. */
  id: z.string(),
  /** Reverse-path, '' for the null one (RFC 5321 §4.5.5). */
  from: z.string(),
  to: z.array(recipientSchema).min(1),
  /** Stored bytes, own headers included. */
  sizeBytes: z.number().int(),
  /** BODY= as declared, or found: `8bit` content goes to far ends with 8BITMIME only. */
  body: z.enum(['7bit', '8bit']),
  /** An address or a header holds UTF-8 (RFC 6531): far ends with SMTPUTF8 only. */
  utf8: z.boolean(),
  ret: z.enum(['FULL', 'HDRS']).optional(),
  envid: z.string().optional(),
  /** ms since the epoch */
  receivedAt: z.number(),
  /** Who handed it in: address, HELO name and protocol, for trace. */
  client: z.string().optional(),
  /** This message is itself a notice (DSN). */
  notice: z.boolean().optional(),
  /** W3C traceparent of the reception. */
  trace: z.string().optional(),
})
export type Envelope = z.infer<typeof envelopeSchema>

export const taskSchema = envelopeSchema.extend({
  content: contentRefSchema,
  attempts: z.array(attemptSchema).max(100),
  /** A DELAY notice has been sent for this task. */
  delayNotified: z.boolean().optional(),
})
export type Task = z.infer<typeof taskSchema>
