/**
 * One content on its way into the bucket. What fits into one part is one PUT; what is larger is a multipart upload, part by part
 * as it comes. An object is there whole or not at all: `seal` resolves once the store has said that it is complete. What fails or
 * is discarded is aborted; what a crash left is swept after an hour, so no upload may take longer than `LONGEST_UPLOAD_MS`.
 */
import type { ContentRef } from '@sluice/contracts'
import { ContentError } from '../errors.ts'
import type { Sink } from '../place.ts'
import { type Answered, refusal, type S3Client, type S3Request } from './client.ts'
import { escaped, rootOf, textOf } from './xml.ts'

export type UploadOptions = {
  client: S3Client
  id: string
  key: string
  ref: ContentRef
  partBytes: number
  /** Frees the memory of a part for others. */
  ended: () => void
}

/** Less than the age at which the sweep takes an upload for one that a crash left: what it removes can never be sealed. */
const LONGEST_UPLOAD_MS = 50 * 60_000

type Upload = { uploadId: string; tags: string[] }
type State = { upload: Upload | null; bytes: number; put: boolean; discarded: boolean }

const done = async ({ client, id }: UploadOptions, request: S3Request): Promise<Answered> => {
  const answer = await client.call(request)
  if (answer.kind === 'ok') return answer
  throw refusal(`write content ${id}`, answer)
}

const unlike = (id: string, what: string): ContentError =>
  new ContentError('unavailable', `cannot write content ${id}: the store's answer has no ${what}`)

const begin = async (options: UploadOptions): Promise<Upload> => {
  const { text } = await done(options, { method: 'POST', key: options.key, query: { uploads: '' } })
  const uploadId = textOf(text, 'UploadId')
  if (uploadId === null) throw unlike(options.id, 'UploadId')
  return { uploadId, tags: [] }
}

const sendPart = async (options: UploadOptions, { uploadId, tags }: Upload, body: Buffer): Promise<void> => {
  const query = { partNumber: String(tags.length + 1), uploadId }
  const { headers } = await done(options, { method: 'PUT', key: options.key, query, body })
  if (headers.etag === undefined) throw unlike(options.id, 'ETag')
  tags.push(headers.etag)
}

/** A try whose answer was lost may have completed it: then there is no such upload any more, but the object. */
const isThere = async ({ client, key }: UploadOptions, bytes: number): Promise<boolean> => {
  const answer = await client.call({ method: 'HEAD', key })
  return answer.kind === 'ok' && answer.headers['content-length'] === String(bytes)
}

const complete = async (options: UploadOptions, { uploadId, tags }: Upload, bytes: number): Promise<void> => {
  const parts = tags.map((tag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${escaped(tag)}</ETag></Part>`)
  const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`)
  const headers = { 'content-type': 'application/xml' }
  const answer = await options.client.call({ method: 'POST', key: options.key, query: { uploadId }, headers, body })
  if (answer.kind === 'ok') {
    if (rootOf(answer.text) !== 'CompleteMultipartUploadResult') throw unlike(options.id, 'CompleteMultipartUploadResult')
    return
  }
  if (answer.code === 'NoSuchUpload' && answer.tries > 1 && (await isThere(options, bytes))) return
  throw refusal(`write content ${options.id}`, answer)
}

const append = async (options: UploadOptions, state: State, piece: Buffer): Promise<void> => {
  state.bytes += piece.length
  if (state.upload === null && piece.length < options.partBytes) {
    state.put = true
    await done(options, { method: 'PUT', key: options.key, body: piece })
    return
  }
  state.upload ??= await begin(options)
  await sendPart(options, state.upload, piece)
}

const remove = async ({ client, key }: UploadOptions, { upload, put }: State, sealed: boolean): Promise<void> => {
  if (upload !== null && !sealed) await client.call({ method: 'DELETE', key, query: { uploadId: upload.uploadId } })
  if (put || upload !== null) await client.call({ method: 'DELETE', key })
}

export const createUpload = (options: UploadOptions): Sink => {
  const state: State = { upload: null, bytes: 0, put: false, discarded: false }
  const startedAt = performance.now()
  let sealed = false
  /** What is under way: it is not left alone with a discarded content. */
  let last: Promise<void> = Promise.resolve()
  const step = (work: () => Promise<void>): Promise<void> => {
    if (state.discarded) throw new Error(`content ${options.id} was discarded`)
    if (performance.now() - startedAt > LONGEST_UPLOAD_MS)
      throw new ContentError('unavailable', `content ${options.id} took longer to come in than ${LONGEST_UPLOAD_MS} ms`)
    last = work()
    return last
  }
  return {
    append: async (piece) => step(() => append(options, state, piece)),
    seal: async () => {
      await step(async () => {
        if (state.upload !== null) await complete(options, state.upload, state.bytes)
      })
      sealed = true
      options.ended()
      return options.ref
    },
    discard: async () => {
      state.discarded = true
      await last.catch(() => {}) // told to whoever wrote
      options.ended()
      await remove(options, state, sealed)
    },
  }
}
