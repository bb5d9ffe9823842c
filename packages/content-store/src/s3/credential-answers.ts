/** What those who give credentials answer: whole credentials that last for a while, or a fault that says who gave none. */
import { type Http, type HttpRequest, readText } from './http.ts'
import { textOf } from './xml.ts'

/** @property goodUntil ms since the epoch */
export type Credentials = { accessKeyId: string; secretAccessKey: string; sessionToken?: string; goodUntil: number }
export type Find = (http: Http, now: number) => Promise<Credentials>

/** What is kept at all is kept for this long, unless it expires before. */
export const LEAST_KEPT_MS = 60_000
/** What expires is renewed this long before. */
const MARGIN_MS = 5 * 60_000

/** @throws when the answer is not 200 */
export const fetchText = async (http: Http, request: HttpRequest): Promise<string> => {
  const response = await http.send(request)
  const text = await readText(response, http.timeoutMs)
  if (response.statusCode === 200) return text
  throw new Error(`${request.url.host} gives no credentials: ${response.statusCode} ${textOf(text, 'Message') ?? ''}`.trim())
}

export const parseObject = (text: string): Record<string, unknown> => {
  const answer: unknown = JSON.parse(text)
  return typeof answer === 'object' && answer !== null ? { ...answer } : {}
}

type Parts = { id: unknown; secret: unknown; token: unknown; expires: unknown }

/** @throws when a part is missing: half a credential is none */
export const complete = (from: string, { id, secret, token, expires }: Parts, now: number): Credentials => {
  const expiresAt = Date.parse(String(expires))
  const goodUntil = Math.max(expiresAt - MARGIN_MS, Math.min(now + LEAST_KEPT_MS, expiresAt))
  if (typeof id === 'string' && typeof secret === 'string' && typeof token === 'string' && !Number.isNaN(goodUntil))
    return { accessKeyId: id, secretAccessKey: secret, sessionToken: token, goodUntil }
  throw new Error(`the credentials of ${from} are not understood`)
}

/** The spelling that containers' agents and instances share. */
export const completeJson = (from: string, found: Record<string, unknown>, now: number): Credentials => {
  const { AccessKeyId: id, SecretAccessKey: secret, Token: token, Expiration: expires } = found
  return complete(from, { id, secret, token, expires }, now)
}
