/**
 * Contents as objects of one bucket, for gateways on many machines: PREFIXab/ID.LANE, where `ab` are the last two characters of the
 * ID, and PREFIX.gateway, which says whose they are. Any S3-compatible store. Loaded only where `content.s3` is configured; nothing is
 * asked of the store until a content needs it, or the sweep looks.
 */
import { readFile } from 'node:fs/promises'
import type { ContentRef } from '@sluice/contracts'
import { ContentError } from '../errors.ts'
import type { OwnedPlace } from '../place.ts'
import { createS3Client, refusal, type S3Client } from './client.ts'
import { readObject } from './download.ts'
import type { S3Options } from './options.ts'
import { createSlots } from './slots.ts'
import { contentsOf, type SweepOptions, sweepBucket } from './sweep.ts'
import { createUpload } from './upload.ts'

type S3Ref = Extract<ContentRef, { store: 's3' }>

/** As long as a reader waits out a Redis that restarts. */
const PATIENCE_MS = 60_000
/** Entries of one list of the sweep; S3 gives no more. */
const PAGE_SIZE = 1000

/** Message IDs are letters and digits; whatever else comes must not lead to objects of others. */
const keyOf = ({ prefix }: S3Options, id: string, lane: number): string => {
  if (!/^[0-9A-Za-z_-]{2,128}$/.test(id)) throw new ContentError('missing', `"${id}" is no name of a content`)
  return `${prefix}${id.slice(-2)}/${id}.${lane}`
}

const namedBy =
  ({ prefix }: S3Options) =>
  (key: string): { id: string; lane: number } | null => {
    if (!key.startsWith(prefix)) return null
    const [, folder, id, lane] = /^([0-9A-Za-z_-]{2})\/([0-9A-Za-z_-]{2,128})\.(\d{1,3})$/.exec(key.slice(prefix.length)) ?? []
    return id === undefined || !id.endsWith(folder ?? '/') ? null : { id, lane: Number(lane) }
  }

const readOwner = async (client: S3Client, key: string): Promise<string | null> => {
  const answer = await client.call({ method: 'GET', key })
  if (answer.kind === 'ok') return answer.text.trim() || null
  if (answer.code === 'NoSuchKey') return null
  throw refusal(`read ${key}`, answer)
}

/** `patienceMs`: how long readers wait for a store that is away, and writers for a place. */
export type S3Tuning = { patienceMs?: number; pageSize?: number }

export const openS3Place = async (
  options: S3Options,
  env: NodeJS.ProcessEnv = process.env,
  { patienceMs = PATIENCE_MS, pageSize = PAGE_SIZE }: S3Tuning = {},
): Promise<OwnedPlace<S3Ref>> => {
  const ca = options.caFile === null ? null : await readFile(options.caFile, 'utf8')
  const client = createS3Client(options, ca, env)
  const ownerKey = `${options.prefix}.gateway`
  const looking = (before: number): SweepOptions => ({
    client,
    prefix: options.prefix,
    named: namedBy(options),
    pageSize,
    before,
  })
  const slots = createSlots(options.uploads, patienceMs)
  return {
    open: async (id, lane, from = '') => {
      const key = keyOf(options, id, lane)
      const ended = await slots.take(from)
      return createUpload({ client, id, key, ref: { store: 's3', lane }, partBytes: options.partBytes, ended })
    },
    pieces: (id, { lane }) => readObject({ client, id, key: keyOf(options, id, lane), patienceMs }),
    remove: async (id, { lane }) => {
      const answer = await client.call({ method: 'DELETE', key: keyOf(options, id, lane) })
      // A store that says so where AWS says 204.
      if (answer.kind === 'refused' && answer.code !== 'NoSuchKey') throw refusal(`remove content ${id}`, answer)
    },
    sweep: (before, isNeeded) => sweepBucket(looking(before), isNeeded),
    where: `s3://${options.bucket}/${ownerKey}`,
    owner: () => readOwner(client, ownerKey),
    own: async (gateway) => {
      const answer = await client.call({ method: 'PUT', key: ownerKey, body: Buffer.from(`${gateway}\n`) })
      if (answer.kind === 'refused') throw refusal(`write ${ownerKey}`, answer)
    },
    contents: (before) => contentsOf(looking(before)),
  }
}
