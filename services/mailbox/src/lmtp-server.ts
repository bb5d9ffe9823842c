/** smtp-server as an LMTP listener (RFC 2033): one reply per recipient after the dot, and an end that waits for what runs. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server'
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { LmtpConnection, type LmtpPolicy } from './lmtp-connection.ts'
import { type LmtpReply, REPLIES } from './reply.ts'

export type LmtpServerOptions = {
  hostname: string
  /** Offered as SIZE. */
  maxBytes: number
  maxConnections: number
  maxRecipients: number
  idleMs: number
  commandLineBytes: number
  judge: LmtpPolicy['judge']
  /** Takes a message; one reply per entry of `session.envelope.rcptTo`, in its order. Rejects when the client has gone. */
  onMessage: (session: SMTPServerSession, content: SMTPServerDataStream) => Promise<LmtpReply[]>
  /** A connection failed; the others go on. */
  onError: (fault: Error) => void
}

class LmtpServer extends SMTPServer {
  readonly #policy: LmtpPolicy
  constructor(policy: LmtpPolicy, ...rest: ConstructorParameters<typeof SMTPServer>) {
    super(...rest)
    this.#policy = policy
  }

  /** As in SMTPServer, with our own kind of connection. */
  override connect(socket: Socket | TLSSocket, socketOptions?: SMTPConnectionOptions | null): void {
    const connection = new LmtpConnection(this.#policy, this, socket, socketOptions)
    this.connections.add(connection)
    connection.on('error', (fault) => this._onError(fault))
    connection.init()
  }
}

/** In LMTP a result per recipient is a text for 250, or an error with its code. */
const toResult = ({ code, enhanced, text }: LmtpReply): string | Error =>
  code < 300 ? `${enhanced} ${text}` : Object.assign(new Error(`${enhanced} ${text}`), { responseCode: code })

const isLmtp = (connection: unknown): connection is LmtpConnection => connection instanceof LmtpConnection

/** R-shutdown: idle clients get 421 at once, transactions end within the grace time, then the rest is cut off. */
const drain = async (server: LmtpServer, graceMs: number): Promise<void> => {
  const closed = once(server.server, 'close')
  server.server.close()
  for (const connection of [...server.connections].filter(isLmtp)) {
    if (!connection.isInTransaction()) connection.reply(REPLIES.shutdown)
  }
  const timer = new AbortController()
  await Promise.race([closed, wait(graceMs, undefined, { signal: timer.signal }).catch(() => {})])
  timer.abort()
  for (const connection of [...server.connections].filter(isLmtp)) {
    connection.reply(REPLIES.shutdown)
    connection._socket.destroy()
  }
  await closed
}

export type LmtpListener = {
  /** @returns the address that it listens on */
  listen: (host: string, port: number) => Promise<{ address: string; port: number }>
  close: (graceMs: number) => Promise<void>
}

export const createLmtpServer = (options: LmtpServerOptions): LmtpListener => {
  let draining = false
  const policy: LmtpPolicy = { maxRecipients: options.maxRecipients, judge: options.judge, isDraining: () => draining }
  const server = new LmtpServer(policy, {
    lmtp: true,
    name: options.hostname,
    banner: 'Sluice mailbox',
    heloResponse: '%s',
    size: options.maxBytes,
    maxClients: options.maxConnections,
    maxCommandLength: options.commandLineBytes,
    socketTimeout: options.idleMs,
    disabledCommands: ['AUTH', 'STARTTLS'],
    hideSTARTTLS: true,
    hideENHANCEDSTATUSCODES: false,
    hideDSN: false,
    disableReverseLookup: true,
    logger: false,
    onConnect: (_session, callback) => callback(),
    onData: (content, session, callback) => {
      options.onMessage(session, content).then(
        (replies) => callback(null, replies.map(toResult)),
        () => callback(Object.assign(new Error(`${REPLIES.failed.enhanced} ${REPLIES.failed.text}`), { responseCode: 451 })),
      )
    },
  })
  server.on('error', options.onError)
  return {
    listen: async (host, port) => {
      server.listen(port, host)
      await once(server.server, 'listening')
      const address = server.server.address()
      if (address === null || typeof address === 'string') throw new Error('the LMTP listener has no port')
      return { address: address.address, port: address.port }
    },
    close: (graceMs) => {
      draining = true
      return drain(server, graceMs)
    },
  }
}
