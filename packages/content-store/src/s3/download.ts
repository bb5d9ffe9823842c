/**
 * A content from the bucket, streamed at the reader's pace. Where an answer breaks off, or a store does not answer, it goes on from
 * the same byte (Range, of the same object) for a minute: reading again does no harm, and the far end has time. After that it throws
 * `unavailable`, and the message waits for its next attempt. Only the store's word that there is no such key is `missing`.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ContentError } from '../errors.ts'
import { isWorthAnotherTry, type Opened, type Refused, refusal, type S3Client } from './client.ts'
import { nextWithin } from './http.ts'

export type DownloadOptions = { client: S3Client; id: string; key: string; patienceMs: number }

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2000
const RANGE_NOT_SATISFIABLE = 416
const PRECONDITION_FAILED = 412
const PARTIAL_CONTENT = 206

/** `isOver`: trying again would not help. */
type Progress = { bytes: number; tag: string | null; isOver: boolean }

const rejected = (id: string, refused: Refused): ContentError => {
  if (refused.code === 'NoSuchKey') return new ContentError('missing', `content ${id} is not in the bucket`)
  if (refused.status === PRECONDITION_FAILED) return new ContentError('missing', `content ${id} was replaced while it was read`)
  if (refused.status === RANGE_NOT_SATISFIABLE) return new ContentError('short', `content ${id} became shorter while it was read`)
  return refusal(`read content ${id}`, refused)
}

/** A store that knows no ranges sends all of it once more. @returns the bytes to pass over */
const toSkip = ({ response }: Opened, { bytes }: Progress, id: string): number => {
  if (response.statusCode !== PARTIAL_CONTENT) return bytes
  if (response.headers['content-range']?.startsWith(`bytes ${bytes}-`)) return 0
  response.destroy()
  throw new ContentError('unavailable', `cannot read content ${id}: the store answered with another range`)
}

async function* readOnce({ client, id, key }: DownloadOptions, progress: Progress): AsyncIterable<Buffer> {
  const { bytes, tag } = progress
  const onward = bytes === 0 ? {} : { range: `bytes=${bytes}-`, ...(tag === null ? {} : { 'if-match': tag }) }
  const opened = await client.open({ method: 'GET', key, headers: onward })
  if (opened.kind === 'refused') {
    progress.isOver = !isWorthAnotherTry(opened)
    throw rejected(id, opened)
  }
  const { response } = opened
  let skip = toSkip(opened, progress, id)
  progress.tag ??= response.headers.etag ?? null
  const iterator: AsyncIterator<Buffer> = response[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await nextWithin(response, iterator, client.timeoutMs)
      if (next.done === true) return
      const piece = next.value.subarray(Math.min(skip, next.value.length))
      skip -= next.value.length - piece.length
      if (piece.length === 0) continue
      progress.bytes += piece.length
      yield piece
    }
  } finally {
    response.destroy()
  }
}

export async function* readObject(options: DownloadOptions): AsyncIterable<Buffer> {
  const progress: Progress = { bytes: 0, tag: null, isOver: false }
  let pauseMs = FIRST_PAUSE_MS
  let lateAt = performance.now() + options.patienceMs
  for (;;) {
    try {
      for await (const piece of readOnce(options, progress)) {
        yield piece
        pauseMs = FIRST_PAUSE_MS
        lateAt = performance.now() + options.patienceMs
      }
      return
    } catch (fault) {
      if (progress.isOver || performance.now() + pauseMs > lateAt) throw fault
    }
    await sleep(pauseMs)
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)
  }
}
