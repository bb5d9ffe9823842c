/**
 * What a crash left in the bucket: objects that no task needs, and uploads that were never completed. Found by listing, a page at a
 * time with rests between; ages are by the store's own clock. A store that does not list its uploads needs a rule of its own for
 * them (docs/operations.md).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ContentRef } from '@sluice/contracts'
import type { Found, IsNeeded } from '../place.ts'
import { type Answered, type Refused, refusal, type S3Client } from './client.ts'
import { elements, textOf } from './xml.ts'

export type SweepOptions = {
  client: S3Client
  prefix: string
  /** null: not one of ours */
  named: (key: string) => { id: string; lane: number } | null
  pageSize: number
  /** ms since the epoch */
  before: number
}

type Query = Record<string, string>
/** `before`: ms since the epoch by the store's clock. */
type Page = { text: string; before: number }
type Listing = { what: string; query: Query; markers: readonly [parameter: string, element: string][] }

/** The part of the time that a sweep works; the rest belongs to the mail. */
const SHARE = 0.2
const LONGEST_REST_MS = 2000

const isUnknownToStore = ({ status, code }: Refused): boolean => status === 501 || status === 405 || code === 'NotImplemented'

const onItsClock = (moment: number, { headers }: Answered): number => {
  const itsNow = Date.parse(headers.date ?? '')
  return Number.isNaN(itsNow) ? moment : moment + (itsNow - Date.now())
}

const isOlder = (written: string | null, before: number): boolean => {
  const at = Date.parse(written ?? '')
  return !Number.isNaN(at) && at < before
}

const nextOf = (text: string, markers: Listing['markers']): Query | null => {
  if (textOf(text, 'IsTruncated') !== 'true') return null
  const found = markers.map(([parameter, element]) => [parameter, textOf(text, element) ?? ''] as const)
  return found.some(([, marker]) => marker !== '') ? Object.fromEntries(found) : null
}

async function* pagesOf(options: SweepOptions, { what, query, markers }: Listing): AsyncIterable<Page> {
  for (let from: Query | null = {}; from !== null; ) {
    const startedAt = performance.now()
    const answer: Answered | Refused = await options.client.call({
      method: 'GET',
      key: null,
      query: { ...query, prefix: options.prefix, ...from },
    })
    if (answer.kind === 'refused') {
      if (isUnknownToStore(answer)) return
      throw refusal(`list ${what}`, answer)
    }
    yield { text: answer.text, before: onItsClock(options.before, answer) }
    from = nextOf(answer.text, markers)
    if (from !== null) await sleep(Math.min(LONGEST_REST_MS, (performance.now() - startedAt) * (1 / SHARE - 1)))
  }
}

const remove = async (options: SweepOptions, key: string, query: Query = {}): Promise<void> => {
  const answer = await options.client.call({ method: 'DELETE', key, query })
  if (answer.kind === 'refused' && answer.status !== 404) throw refusal(`remove ${key}`, answer)
}

type S3Ref = Extract<ContentRef, { store: 's3' }>

export async function* contentsOf(options: SweepOptions): AsyncIterable<Found<S3Ref> & { key: string }> {
  const query = { 'list-type': '2', 'max-keys': String(options.pageSize) }
  const markers = [['continuation-token', 'NextContinuationToken']] as const satisfies Listing['markers']
  for await (const { text, before } of pagesOf(options, { what: 'contents', query, markers })) {
    for (const object of elements(text, 'Contents')) {
      const key = textOf(object, 'Key') ?? ''
      const name = options.named(key)
      if (name === null) continue
      yield { id: name.id, ref: { store: 's3', lane: name.lane }, isOld: isOlder(textOf(object, 'LastModified'), before), key }
    }
  }
}

const sweepObjects = async (options: SweepOptions, isNeeded: IsNeeded): Promise<number> => {
  let count = 0
  for await (const { id, ref, isOld, key } of contentsOf(options)) {
    if (!isOld || (await isNeeded(id, ref))) continue
    await remove(options, key)
    count++
  }
  return count
}

/** Its beginning tells little of an upload that still goes on, and some stores do not know it: the newest of its parts counts, too. */
const isIdle = async ({ client }: SweepOptions, key: string, uploadId: string, before: number): Promise<boolean> => {
  const answer = await client.call({ method: 'GET', key, query: { uploadId } })
  if (answer.kind === 'ok') return elements(answer.text, 'LastModified').every((written) => isOlder(written, before))
  if (answer.code === 'NoSuchUpload') return false
  throw refusal(`list the parts of ${key}`, answer)
}

/** What was never completed nobody can need. */
const sweepUploads = async (options: SweepOptions): Promise<number> => {
  const query = { uploads: '', 'max-uploads': String(options.pageSize) }
  const markers = [
    ['key-marker', 'NextKeyMarker'],
    ['upload-id-marker', 'NextUploadIdMarker'],
  ] as const satisfies Listing['markers']
  let count = 0
  for await (const { text, before } of pagesOf(options, { what: 'uploads', query, markers })) {
    for (const upload of elements(text, 'Upload')) {
      const [key, uploadId] = [textOf(upload, 'Key') ?? '', textOf(upload, 'UploadId')]
      if (uploadId === null || options.named(key) === null || !isOlder(textOf(upload, 'Initiated'), before)) continue
      if (!(await isIdle(options, key, uploadId, before))) continue
      await remove(options, key, { uploadId })
      count++
    }
  }
  return count
}

/** @returns how many were removed */
export const sweepBucket = async (options: SweepOptions, isNeeded: IsNeeded): Promise<number> =>
  (await sweepObjects(options, isNeeded)) + (await sweepUploads(options))
