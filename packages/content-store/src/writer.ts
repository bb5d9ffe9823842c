/**
 * Takes one message's bytes: up to the threshold they stay in memory, beyond they go to the store in pieces of `chunkBytes`.
 * At most the threshold or one piece is held in memory, whatever the message's size.
 */
import type { ContentWriter, StagedContent } from './content.ts'
import { storeFailure } from './errors.ts'
import type { Sink } from './place.ts'

export type WriterOptions = { id: string; thresholdBytes: number; chunkBytes: number; open: () => Promise<Sink> }

type State = { held: Buffer[]; heldBytes: number; totalBytes: number; sink: Sink | undefined; done: boolean }

/** Takes exactly `bytes` from the front of what is held. */
const takeHeld = (state: State, bytes: number): Buffer => {
  const all = state.held.length === 1 ? state.held[0]! : Buffer.concat(state.held)
  state.held = all.length > bytes ? [all.subarray(bytes)] : []
  state.heldBytes = all.length - bytes
  return all.subarray(0, bytes)
}

const drain = async (state: State, options: WriterOptions): Promise<void> => {
  if (state.totalBytes <= options.thresholdBytes) return
  if (state.sink === undefined) state.sink = await options.open()
  while (state.heldBytes >= options.chunkBytes) await state.sink.append(takeHeld(state, options.chunkBytes))
}

const seal = async (state: State): Promise<StagedContent> => {
  const { sink } = state
  if (sink === undefined) return { kind: 'inline', bytes: takeHeld(state, state.heldBytes) }
  if (state.heldBytes > 0) await sink.append(takeHeld(state, state.heldBytes))
  return { kind: 'stored', ref: await sink.seal(), sizeBytes: state.totalBytes }
}

export const createWriter = (options: WriterOptions): ContentWriter => {
  const state: State = { held: [], heldBytes: 0, totalBytes: 0, sink: undefined, done: false }
  /** After a failure nothing more may be written: a content with a hole in it must never be sealed. */
  const guarded = async <T>(action: () => Promise<T>): Promise<T> => {
    if (state.done) throw new Error(`content ${options.id} has ended`)
    try {
      return await action()
    } catch (fault) {
      state.done = true
      throw storeFailure(`write content ${options.id}`, fault)
    }
  }
  return {
    write: (piece) =>
      guarded(() => {
        state.held.push(piece)
        state.heldBytes += piece.length
        state.totalBytes += piece.length
        return drain(state, options)
      }),
    finish: () =>
      guarded(async () => {
        const staged = await seal(state)
        state.done = true
        return staged
      }),
    abort: async () => {
      state.done = true
      state.held = []
      await state.sink?.discard().catch(() => {}) // what stays behind is found by the sweep
    },
  }
}
