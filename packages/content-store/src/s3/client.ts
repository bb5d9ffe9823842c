/**
 * Requests to one bucket: signed (AWS signature 4, with the hash of the body, so that a body that was changed on its way is refused),
 * and tried again a few times when the store is busy or a connection broke. All of ours may be repeated without harm. What the
 * store refuses is data; what cannot be reached throws.
 */
import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { AwsV4Signer } from 'aws4fetch'
import { ContentError } from '../errors.ts'
import { type CredentialSource, createCredentials } from './credentials.ts'
import { createHttp, type Http, readText } from './http.ts'
import type { S3Options } from './options.ts'
import { rootOf, textOf } from './xml.ts'

export type S3Request = {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** null: the bucket itself */
  key: string | null
  query?: Record<string, string>
  headers?: Record<string, string>
  body?: Buffer
}

/** `code` and `message` as S3 has them, such as NoSuchKey; '' where the answer has none. */
export type Refused = { kind: 'refused'; status: number; code: string; message: string; tries: number }
export type Answered = { kind: 'ok'; status: number; headers: IncomingHttpHeaders; text: string }
export type Opened = { kind: 'open'; response: IncomingMessage }

export type S3Client = {
  call: (request: S3Request) => Promise<Answered | Refused>
  /** The body is the caller's to read, or to destroy. Tried once. */
  open: (request: S3Request) => Promise<Opened | Refused>
  timeoutMs: number
}

const TRIES = 3
const FIRST_PAUSE_MS = 100
const BUSY = new Set([429, 500, 502, 503, 504])
const BUSY_CODES = new Set(['RequestTimeout', 'SlowDown', 'InternalError', 'ServiceUnavailable', 'OperationAborted'])
/** Keys that were changed, or have expired. */
const STALE_CODES = new Set([
  'ExpiredToken',
  'InvalidAccessKeyId',
  'InvalidToken',
  'SignatureDoesNotMatch',
  'TokenRefreshRequired',
])
const FULL_CODES = new Set(['QuotaExceeded', 'XMinioStorageFull', 'XMinioAdminBucketQuotaExceeded', 'EntityTooLarge'])
const INSUFFICIENT_STORAGE = 507

/** @param doing what was tried, as it reads after "cannot" */
export const refusal = (doing: string, { status, code, message }: Refused): ContentError => {
  const isFull = status === INSUFFICIENT_STORAGE || FULL_CODES.has(code)
  return new ContentError(isFull ? 'full' : 'unavailable', `cannot ${doing}: ${[status, code, message].join(' ').trim()}`)
}

export const isWorthAnotherTry = ({ status, code }: Refused): boolean =>
  BUSY.has(status) || BUSY_CODES.has(code) || STALE_CODES.has(code)

const baseUrl = (options: S3Options, region: string): URL => {
  const url = new URL(options.endpoint ?? `https://s3.${region}.amazonaws.com`)
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  if (options.forcePathStyle ?? options.endpoint !== null) url.pathname += `${options.bucket}/`
  else url.hostname = `${options.bucket}.${url.hostname}`
  return url
}

const refusedBy = (status: number, text: string): Refused => ({
  kind: 'refused',
  status,
  code: textOf(text, 'Code') ?? '',
  message: textOf(text, 'Message') ?? '',
  tries: 1,
})

type Parts = { http: Http; credentials: CredentialSource; base: URL; region: string; keys: Map<string, ArrayBuffer> }

/** One try. The body of a success is still to be read. */
const attempt = async ({ http, credentials, base, region, keys }: Parts, request: S3Request): Promise<Opened | Refused> => {
  const { method, key, query, headers, body } = request
  const url = new URL(key ?? '', base)
  for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value)
  const used = await credentials.current()
  const { goodUntil: _, ...identity } = used
  const hash = createHash('sha256')
    .update(body ?? '')
    .digest('hex')
  const signer = new AwsV4Signer({
    method,
    url: url.href,
    headers: { ...headers, 'x-amz-content-sha256': hash },
    ...identity,
    service: 's3',
    region,
    cache: keys,
  })
  const signed = await signer.sign()
  const response = await http.send({ method, url: signed.url, headers: Object.fromEntries(signed.headers), body })
  const status = response.statusCode ?? 0
  if (status >= 200 && status < 300) return { kind: 'open', response }
  const refused = refusedBy(status, await readText(response, http.timeoutMs))
  if (STALE_CODES.has(refused.code)) {
    credentials.refused(used)
    keys.clear()
  }
  return refused
}

/** To its end: S3 may begin with 200 and end with an error (CompleteMultipartUpload). */
const whole = async (parts: Parts, request: S3Request): Promise<Answered | Refused> => {
  const opened = await attempt(parts, request)
  if (opened.kind === 'refused') return opened
  const { response } = opened
  const text = await readText(response, parts.http.timeoutMs)
  if (rootOf(text) === 'Error') return refusedBy(500, text)
  return { kind: 'ok', status: response.statusCode ?? 0, headers: response.headers, text }
}

const persist = async (parts: Parts, request: S3Request): Promise<Answered | Refused> => {
  for (let tries = 1, pauseMs = FIRST_PAUSE_MS; ; tries++, pauseMs *= 2) {
    try {
      const answer = await whole(parts, request)
      if (answer.kind === 'ok') return answer
      if (tries === TRIES || !isWorthAnotherTry(answer)) return { ...answer, tries }
    } catch (fault) {
      if (tries === TRIES) throw fault
    }
    await sleep(pauseMs * (0.5 + Math.random()))
  }
}

/** @param ca PEM */
export const createS3Client = (options: S3Options, ca: string | null, env: NodeJS.ProcessEnv): S3Client => {
  const region = options.region ?? env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? 'us-east-1'
  const http = createHttp(options, ca)
  const credentials = createCredentials(options, region, http, env)
  const parts: Parts = { http, credentials, base: baseUrl(options, region), region, keys: new Map() }
  return {
    call: (request) => persist(parts, request),
    open: (request) => attempt(parts, request),
    timeoutMs: options.timeoutMs,
  }
}
