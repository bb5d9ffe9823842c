/**
 * What the services know of tracing. Where it is off there is no tracer, and every span is null: `span?.child(…)` costs nothing then.
 * Spans are passed on as arguments; none is ambient.
 */
import type { TraceIds } from '@sluice/runtime'

/** By the semantic conventions of OpenTelemetry where they have a name, else `sluice.…`. Never mail addresses, never content. */
export type Attributes = Record<string, string | number | boolean>

/** Who is on the other side: a client of ours, a far end, one who gives or takes work through Redis, or nobody. */
export type SpanKind = 'server' | 'client' | 'producer' | 'consumer' | 'internal'

/** The steps of a message's life that take time; the names follow the log's events. */
export type SpanName =
  | 'reception'
  | 'session'
  | 'content'
  | 'admission'
  | 'intake'
  | 'attempt'
  | 'recovery'
  | 'expiry'
  | 'errand'
  | 'connection'
  | 'transaction'
  | 'notice'

export type SpanOptions = {
  kind?: SpanKind
  attributes?: Attributes
  /** ms since the epoch; default: now */
  startedAt?: number
}

export type Span = {
  /** W3C Trace Context, version 00: what payloads carry. */
  readonly traceparent: string
  /** What lines of the log carry. */
  readonly ids: TraceIds
  child: (name: SpanName, options?: SpanOptions) => Span
  set: (attributes: Attributes) => void
  /**
   * Nothing is recorded afterwards.
   * @param error why it failed, from a small set of words or codes (`error.type`); left out or null: it did not
   * @param endedAt ms since the epoch; default: now
   */
  end: (error?: string | null, endedAt?: number) => void
}

export type Tracer = {
  /** A new trace, of a message that has just come. @returns null: not sampled */
  begin: (name: SpanName, options?: SpanOptions) => Span | null
  /**
   * Goes on with the trace that a payload carries.
   * @param traceparent of the payload; without one, or with one that is not understood or not sampled, there is nothing to go on with
   * @param options.late too late for the trace itself: a new trace begins, with a link to it
   */
  resume: (traceparent: string | undefined, name: SpanName, options: SpanOptions & { late: boolean }) => Span | null
}
