/**
 * The bytes of messages. A writer takes a message while it comes in: up to the threshold it stays in memory and goes into
 * Redis beside its task, by the script that admits the task; beyond it is written to the store as it streams, piece by piece.
 * Nothing here is a promise: the promise is the admission, which comes after `finish` has made the bytes durable.
 */
import type { ContentRef } from '@sluice/contracts'
import type { NotOurs } from './ownership.ts'

/** What a writer leaves: bytes for the admitting script, or a durable place. */
export type StagedContent = { kind: 'inline'; bytes: Buffer } | { kind: 'stored'; ref: ContentRef; sizeBytes: number }

export type ContentWriter = {
  /** Resolves when more may be written: back-pressure for the client's socket. */
  write: (piece: Buffer) => Promise<void>
  /** All bytes are durable once this resolves. */
  finish: () => Promise<StagedContent>
  /** Forgets what was written. Never throws. */
  abort: () => Promise<void>
}

export type ContentStore = {
  /**
   * @param lane the lane whose Redis keys hold pieces and the index that the sweep reads
   * @param client from whom it comes; where contents wait for a place (`s3.uploads`), nobody takes more than is left for others
   */
  stage: (id: string, lane: number, client?: string) => ContentWriter
  /**
   * Streams a stored content. Throws when bytes are missing: a short read is an error, never an end (R-short).
   * `inline` content is read by the spool with its task, not here.
   */
  read: (id: string, ref: ContentRef, sizeBytes: number) => AsyncIterable<Buffer>
  /** Removes a stored content; repeating it does no harm. */
  remove: (id: string, ref: ContentRef) => Promise<void>
  /**
   * Removes contents older than `olderThanMs` for which `isNeeded` says no: what a crash between content and admission left.
   * A folder or bucket whose contents may be another gateway's is left alone, and told to `notOurs` (ownership.ts).
   * @returns how many were removed
   */
  sweep: (
    olderThanMs: number,
    isNeeded: (id: string, ref: ContentRef) => Promise<boolean>,
    notOurs?: (found: NotOurs) => void,
  ) => Promise<number>
}
