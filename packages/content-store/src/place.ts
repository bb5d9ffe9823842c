/** What a content store of any kind does; the writer with its threshold stands before it and is the same for all. */
import type { ContentRef } from '@sluice/contracts'

/** One content that is being written, in pieces of at most the store's chunk size. */
export type Sink = {
  append: (piece: Buffer) => Promise<void>
  /** All bytes are durable once this resolves. */
  seal: () => Promise<ContentRef>
  /** Removes what was written, sealed or not. */
  discard: () => Promise<void>
}

export type IsNeeded = (id: string, ref: ContentRef) => Promise<boolean>

export type Place<Ref extends ContentRef> = {
  /** @param client who is to wait for a place when there are few */
  open: (id: string, lane: number, client?: string) => Promise<Sink>
  /** Pieces in order. Throws when one is missing; the sum of their sizes is checked by the caller. */
  pieces: (id: string, ref: Ref) => AsyncIterable<Buffer>
  remove: (id: string, ref: Ref) => Promise<void>
  /** @param before ms since the epoch: only what was last written before is looked at */
  sweep: (before: number, isNeeded: IsNeeded) => Promise<number>
}

/** `isOld`: last written before the moment that was asked for. */
export type Found<Ref extends ContentRef> = { id: string; ref: Ref; isOld: boolean }

/** A place that another gateway might use, too, by mistake; so an ID beside the contents says whose it is (ownership.ts). */
export type OwnedPlace<Ref extends ContentRef> = Place<Ref> & {
  /** Where the ID lies, for the postmaster. */
  where: string
  /** null: there is no ID */
  owner: () => Promise<string | null>
  own: (gateway: string) => Promise<void>
  /** All contents that were sealed. @param before ms since the epoch */
  contents: (before: number) => AsyncIterable<Found<Ref>>
}
