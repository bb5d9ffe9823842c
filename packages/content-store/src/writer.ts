/**
 * Takes one message's bytes: up to the threshold they stay in memory, beyond they go to the store in pieces of `chunkBytes`,
 * gathered in one buffer that is used again for each. At most the threshold and one piece are held in memory, whatever the
 * message's size.
 */
import type { ContentWriter, StagedContent } from './content.ts'
import { storeFailure } from './errors.ts'
import type { Sink } from './place.ts'

export type WriterOptions = { id: string; thresholdBytes: number; chunkBytes: number; open: () => Promise<Sink> }

/** The store has what `append` was given once it resolves; only then the buffer is filled anew. */
type Stream = { sink: Sink; piece: Buffer; filledBytes: number }
type State = { held: Buffer[]; totalBytes: number; stream: Stream | undefined; done: boolean }

const pour = async (stream: Stream, bytes: Buffer): Promise<void> => {
  for (let offset = 0; offset < bytes.length; ) {
    const copied = bytes.copy(stream.piece, stream.filledBytes, offset)
    offset += copied
    stream.filledBytes += copied
    if (stream.filledBytes < stream.piece.length) return
    await stream.sink.append(stream.piece)
    stream.filledBytes = 0
  }
}

const take = async (state: State, bytes: Buffer, options: WriterOptions): Promise<void> => {
  state.totalBytes += bytes.length
  if (state.stream !== undefined) return pour(state.stream, bytes)
  state.held.push(bytes)
  if (state.totalBytes <= options.thresholdBytes) return
  const sink = await options.open()
  if (state.done) {
    await sink.discard()
    throw new Error(`content ${options.id} was given up while its place was opened`)
  }
  // Memory comes as it is filled: a large piece costs a small content nothing.
  const stream = { sink, piece: Buffer.allocUnsafeSlow(options.chunkBytes), filledBytes: 0 }
  state.stream = stream
  for (const held of state.held.splice(0)) await pour(stream, held)
}

const seal = async ({ held, stream, totalBytes }: State): Promise<StagedContent> => {
  if (stream === undefined) return { kind: 'inline', bytes: held.length === 1 ? held[0]! : Buffer.concat(held) }
  if (stream.filledBytes > 0) await stream.sink.append(stream.piece.subarray(0, stream.filledBytes))
  return { kind: 'stored', ref: await stream.sink.seal(), sizeBytes: totalBytes }
}

export const createWriter = (options: WriterOptions): ContentWriter => {
  const state: State = { held: [], totalBytes: 0, stream: undefined, done: false }
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
    write: (bytes) => guarded(() => take(state, bytes, options)),
    finish: () =>
      guarded(async () => {
        const staged = await seal(state)
        state.done = true
        return staged
      }),
    abort: async () => {
      state.done = true
      state.held = []
      const { stream } = state
      state.stream = undefined
      await stream?.sink.discard().catch(() => {}) // what stays behind is found by the sweep
    },
  }
}
