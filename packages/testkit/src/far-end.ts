/**
 * The scripted far end: an SMTP or LMTP server that behaves as badly as a test wants, at every stage. It records every message
 * it took and every connection it saw. Behaviour comes from two places:
 *
 * The local part of an address, up to a `+` (far-end-script.ts):
 *   sender     `reject-mail@` 550, `tempfail-mail@` 451, `421-at-mail@`, `disconnect-at-mail@`, `never-answer-mail@`
 *   at RCPT    `reject@` 550, `tempfail@` 450, `tempfail-once@` and `tempfail-3@` (so many times, then taken), `toomany@` 452 4.5.3,
 *              `full@` 452 4.2.2, `full-552@` 552, `bad-sequence@` 503, `nonsense@`, `multiline@` 550 in two lines, `421-at-rcpt@`,
 *              `disconnect-at-rcpt@`, `never-answer-rcpt@`
 *   at DATA    `refuse-data@` 554, `tempfail-at-data@` 451, `421-at-data@`, `disconnect-at-data@`, `never-answer-data@`
 *   content    `disconnect-in-data@`
 *   at the dot `reject-data@` 554, `tempfail-data@` 451, `full-data@` 452, `nonsense-data@`, `slow@` (slowMs), `never-answer@`,
 *              `disconnect-after-dot@` (the message is recorded: it was taken, only the reply is lost), `disconnect-after-dot-once@`;
 *              with LMTP each recipient has its own reply
 *   all others are taken: `ok@`, `anna@`.
 *
 * The options, which `set` changes while it runs (far-end-types.ts): greeting, EHLO keywords, TLS good or bad, AUTH, limits, waits,
 * a drop, silence or another reply at any stage.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { FarEndSession } from './far-end-session.ts'
import type { FarEnd, FarEndConnection, FarEndMessage, FarEndOptions } from './far-end-types.ts'

const listen = (server: Server, host: string, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      const address = server.address()
      if (address !== null && typeof address === 'object') resolve(address.port)
      else reject(new Error('the far end got no port'))
    })
  })

/** Resolves as soon as `isThere` holds after a change. */
const createWatch = () => {
  const watchers = new Set<() => void>()
  const until = (isThere: () => boolean, timeoutMs: number, what: () => string): Promise<void> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        watchers.delete(look)
        reject(new Error(what()))
      }, timeoutMs)
      const look = (): void => {
        if (!isThere()) return
        clearTimeout(timer)
        watchers.delete(look)
        resolve()
      }
      watchers.add(look)
      look()
    })
  return { until, changed: () => [...watchers].forEach((look) => void look()) }
}

export const startFarEnd = async (given: FarEndOptions = {}): Promise<FarEnd> => {
  let options: FarEndOptions = { ...given }
  const messages: FarEndMessage[] = []
  const connections: FarEndConnection[] = []
  const sockets = new Set<Socket>()
  const seen = new Map<string, number>()
  const watch = createWatch()

  const onSocket = (socket: Socket): void => {
    const tls = given.tls === 'implicit'
    const remoteAddress = socket.remoteAddress ?? ''
    const record: FarEndConnection = { remoteAddress, openedAt: Date.now(), closedAt: null, commands: [], unfinished: null, tls }
    const index = connections.push(record) - 1
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    const accept = (message: FarEndMessage): void => {
      messages.push(message)
      watch.changed()
    }
    new FarEndSession(socket, { options: () => options, index, record, seen, accept, open: () => sockets.size }).start()
  }

  const server =
    given.tls === 'implicit'
      ? createTlsServer({ key: given.certificate?.key, cert: given.certificate?.cert }, onSocket)
      : createServer({ noDelay: true }, onSocket)
  server.on('tlsClientError', () => {})
  const host = given.host ?? '127.0.0.1'
  const port = await listen(server, host, given.port ?? 0)

  return {
    host,
    port,
    messages,
    connections,
    set: (changed) => {
      options = { ...options, ...changed }
    },
    received: async (count, timeoutMs = 10_000) => {
      await watch.until(
        () => messages.length >= count,
        timeoutMs,
        () => `the far end waited for ${count} messages and has ${messages.length}`,
      )
      return messages
    },
    dropAll: () => sockets.forEach((socket) => void socket.destroy()),
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
