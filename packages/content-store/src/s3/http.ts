/**
 * One HTTP request, with a body in memory if any, over kept connections. It waits for the connection and for signs of life, no
 * longer; the answer's body is the caller's to read, with `readText` or, for what is streamed, `nextWithin`.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { rootCertificates } from 'node:tls'

export type Waits = { connectTimeoutMs: number; timeoutMs: number }
export type HttpRequest = { method: string; url: URL; headers: Record<string, string>; body?: Buffer | undefined }
export type Http = { send: (request: HttpRequest) => Promise<IncomingMessage>; timeoutMs: number }

/** Errors and lists are some hundred KiB at most. */
const MOST_TEXT_BYTES = 16 * 1024 * 1024
/** Shorter than stores and what stands before them keep idle connections. */
const IDLE_CONNECTION_MS = 4000

/** @param ca PEM, trusted beside those that Node.js trusts: who gives us credentials may be another than the store */
export const createHttp = (waits: Waits, ca: string | null): Http => {
  const kept = { keepAlive: true, timeout: IDLE_CONNECTION_MS }
  const plain = new HttpAgent(kept)
  const secure = new HttpsAgent(ca === null ? kept : { ...kept, ca: [...rootCertificates, ca] })
  const send = ({ method, url, headers, body }: HttpRequest): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const isSecure = url.protocol === 'https:'
      const options = { method, headers: { ...headers, 'content-length': String(body?.length ?? 0) }, timeout: waits.timeoutMs }
      const request = isSecure ? httpsRequest(url, { ...options, agent: secure }) : httpRequest(url, { ...options, agent: plain })
      const give = (what: string) => (): void => void request.destroy(new Error(`${url.host} ${what}`))
      let late: NodeJS.Timeout | undefined
      request.once('socket', (socket) => {
        if (!socket.connecting) return
        late = setTimeout(give(`was not reached within ${waits.connectTimeoutMs} ms`), waits.connectTimeoutMs)
        socket.once(isSecure ? 'secureConnect' : 'connect', () => clearTimeout(late))
      })
      request.once('timeout', give(`was silent for ${waits.timeoutMs} ms`))
      request.on('error', (fault) => {
        clearTimeout(late)
        reject(fault)
      })
      request.once('response', (response) => {
        request.setTimeout(0)
        resolve(response)
      })
      request.end(body)
    })
  return { send, timeoutMs: waits.timeoutMs }
}

/** The next piece of an answer's body; the time a slow reader takes is not counted. Rejects when the answer breaks off. */
export const nextWithin = async (
  response: IncomingMessage,
  iterator: AsyncIterator<Buffer>,
  timeoutMs: number,
): Promise<IteratorResult<Buffer>> => {
  const late = setTimeout(() => void response.destroy(new Error(`the store was silent for ${timeoutMs} ms`)), timeoutMs)
  try {
    return await iterator.next()
  } finally {
    clearTimeout(late)
  }
}

/** The whole body of a small answer. */
export const readText = async (response: IncomingMessage, timeoutMs: number): Promise<string> => {
  const iterator = response[Symbol.asyncIterator]()
  const pieces: Buffer[] = []
  let bytes = 0
  for (;;) {
    const next = await nextWithin(response, iterator, timeoutMs)
    if (next.done === true) return Buffer.concat(pieces).toString()
    bytes += next.value.length
    if (bytes > MOST_TEXT_BYTES) {
      response.destroy()
      throw new Error('the store answered more than expected')
    }
    pieces.push(next.value)
  }
}
