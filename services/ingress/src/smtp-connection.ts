/**
 * All that smtp-server is told to do otherwise, each override named after the rule it keeps. smtp-server keeps the sockets, TLS,
 * SASL and the life of a connection; commands are answered by conversation.ts, content goes to reception.ts.
 *
 * Replies of a pipelined group leave in one write. Nothing is read from a client that does not read its replies.
 */
import { isUtf8 } from 'node:buffer'
import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createSecureContext, TLSSocket } from 'node:tls'
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server/lib/smtp-server.js'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { type ContentParser, createContentParser } from './content-parser.ts'
import { type Answer, HANDLERS, refuseAuth, refuseClient, refuseStartTls } from './conversation.ts'
import type { ListenerConfig } from './dependencies.ts'
import type { ConnectionLimits } from './limits.ts'
import type { Reception } from './reception.ts'
import { formatReply, ok, type Reply, refuse } from './reply.ts'
import { clientFields, type Session, type Shared } from './session.ts'

const LF = 0x0a
const CR = 0x0d
const NOTHING = Buffer.alloc(0)
/** Commands handled before others get their turn. */
const COMMANDS_PER_TURN = 100
/** Garbage without a line end that is read before the connection is closed. */
const MAX_SKIPPED_BYTES = 64 * 1024
const HTTP = new Set(['GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE', 'PATCH'])

const SHUTTING_DOWN = refuse(421, '4.3.2', 'shutdown', 'shutting down, try again later')
const TIMED_OUT = refuse(421, '4.4.2', 'timeout', 'too slow, closing the connection')
const TOO_EARLY = refuse(554, '5.5.1', 'early-talker', 'you spoke before the greeting')
const BAD_LINE = refuse(500, '5.5.2', 'line-ends', 'commands are UTF-8 text and end with CRLF')
const TOO_LONG = refuse(500, '5.5.2', 'limit', 'line too long')
const UNKNOWN = refuse(500, '5.5.2', 'syntax', 'command not known')
const BROKEN = refuse(451, '4.3.0', 'store', 'internal error, try again later')
const limit = (text: string): Reply => refuse(421, '4.7.0', 'limit', text)

/** Splits what the client sends into lines and content. */
class IngressStream extends SMTPStream {
  readonly connection: IngressConnection
  pending: Buffer = NOTHING
  skippedBytes = 0
  parser: ContentParser | null = null

  constructor(connection: IngressConnection) {
    super()
    this.connection = connection
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding | 'buffer', next: (error?: Error | null) => void): void {
    this.consume(chunk).then(() => this.connection.pause(next), next)
  }

  async consume(chunk: Buffer): Promise<void> {
    let rest = chunk
    while (rest.length > 0 && !this.isClosed) {
      rest = this.connection.reception === null ? await this.commands(rest) : await this.content(rest, this.connection.reception)
    }
  }

  /** R-smuggle: a command ends with CRLF; with LF alone, or with CR or NUL in it, it is refused and never runs. */
  async commands(chunk: Buffer): Promise<Buffer> {
    const data = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk])
    this.pending = NOTHING
    let from = 0
    for (let count = 1; !this.isClosed; count++) {
      const end = data.indexOf(LF, from)
      if (end === -1) return this.keep(data.subarray(from))
      const line = data.subarray(from, end)
      from = end + 1
      const wait = this.line(line)
      if (wait !== undefined) await wait
      if (this.connection.reception !== null) {
        this.parser = createContentParser(this.connection.shared.config.bareLineFeeds)
        return data.subarray(from)
      }
      if (count % COMMANDS_PER_TURN === 0) await nextTurn()
    }
    return NOTHING
  }

  line(line: Buffer): Promise<void> | undefined {
    if (this.skippedBytes > 0) {
      this.skippedBytes = 0
      return undefined
    }
    const last = line.length - 1
    if (last >= this.connection.shared.config.limits.commandLineBytes) return this.connection.badLine(TOO_LONG)
    if (line[last] !== CR || line.indexOf(CR) !== last || line.includes(0) || !isUtf8(line))
      return this.connection.badLine(BAD_LINE)
    return this.connection.command(line.toString('utf8', 0, last))
  }

  /** R-limits: a line that does not end is not kept. */
  keep(rest: Buffer): Buffer {
    if (this.skippedBytes > 0 || rest.length > this.connection.shared.config.limits.commandLineBytes) {
      if (this.skippedBytes === 0) this.connection.badLine(TOO_LONG)
      this.skippedBytes += rest.length
      if (this.skippedBytes > MAX_SKIPPED_BYTES) this.connection.end(limit('line too long'))
    } else this.pending = Buffer.from(rest)
    return NOTHING
  }

  /** R-dots, R-smuggle: the content parser says what is content, and where it ends. */
  async content(chunk: Buffer, reception: Reception): Promise<Buffer> {
    const parser = this.parser ?? createContentParser('reject')
    const { content, rest } = parser.feed(chunk)
    if (content.length > 0) await this.connection.busyWith(reception.take(content))
    if (rest === null) return NOTHING
    this.connection.received(await this.connection.busyWith(reception.end(parser.isBroken())))
    return rest
  }
}

export class IngressConnection extends SMTPConnection {
  readonly server: IngressServer
  readonly shared: Shared
  readonly state: Session
  reception: Reception | null = null
  outbox = ''
  busy = 0
  counted = false

  constructor(server: IngressServer, socket: Socket | TLSSocket, options?: SMTPConnectionOptions | null) {
    super(server, socket, options)
    this.server = server
    this.shared = server.shared
    this.state = {
      listener: server.listener,
      ip: this.remoteAddress,
      trusted: this.shared.directory.isTrusted(this.remoteAddress),
      tls: null,
      user: null,
      helo: null,
      esmtp: false,
      transaction: null,
      errors: 0,
      noops: 0,
      startedAt: this.shared.now(),
    }
    this.noteTls()
  }

  noteTls(): void {
    const socket = this._socket
    if (socket instanceof TLSSocket) this.state.tls = { version: socket.getProtocol() ?? 'TLS', cipher: socket.getCipher().name }
  }

  /** R-banner: no wait, only a turn of the event loop, in which early talkers show themselves. R-limits, R-shutdown. */
  override init(): void {
    this._setListeners(() => {
      const met = this.server.limits.enter(this.state.ip)
      this.counted = met === null
      this.shared.events.connection({ listener: this.state.listener.name, client: this.state.ip })
      if (met === 'connections') return this.end(refuse(421, '4.3.2', 'limit', 'too many connections, try again later'))
      if (met !== null) return this.end(limit('too many connections from your address'))
      if (this.shared.isDraining()) return this.end(SHUTTING_DOWN)
      const refused = refuseClient(this.shared.readiness())
      if (refused !== null) return this.end(refused)
      setImmediate(() => {
        if (!this._closing && !this._closed) this.connectionReady()
      })
    })
  }

  override _createParser(): SMTPStream {
    return new IngressStream(this)
  }

  /** Replies of the library itself (greeting, SASL): its codes, our way to the client. */
  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    const enhanced = this._getEnhancedStatusCode(code, context)
    const reply = ok(code, enhanced === '' ? null : enhanced, data ?? '')
    if (code === 421) this.end({ ...reply, reason: 'timeout' })
    else this.respond(code >= 400 ? { ...reply, reason: 'auth' } : reply)
    if (this.busy === 0) this.flush()
  }

  respond(reply: Reply): void {
    this.outbox += formatReply(reply)
    if (reply.reason === undefined) return
    const text = `${reply.code} ${reply.enhanced ?? ''} ${reply.text}`
    this.shared.events.rejection({ ...clientFields(this.state), reason: reply.reason, reply: text })
    if (reply.code >= 500) this.state.errors++
  }

  /** The last reply, then the end of the connection. */
  end(reply: Reply): void {
    if (this._closing || this._closed) return
    this.respond(reply)
    this.close()
  }

  override close(): void {
    this.flush()
    super.close()
    this.server.clients.delete(this)
  }

  flush(): void {
    if (this.outbox === '' || this._upgrading) return
    if (this._socket.writable) this._socket.write(this.outbox)
    this.outbox = ''
  }

  /** Between two chunks: what was answered goes out, and a client that does not read is not read either. */
  pause(next: () => void): void {
    this.flush()
    this._whenWritable(next)
  }

  /** Lets replies go out before waiting; the idle time does not run while the client waits for us. */
  async busyWith<T>(work: Promise<T>): Promise<T> {
    this.flush()
    this.busy++
    try {
      return await work
    } finally {
      this.busy--
    }
  }

  badLine(reply: Reply): undefined {
    this._nextHandler = false
    if (!this._ready) this.end(TOO_EARLY)
    else this.answer(reply)
  }

  /** R-order: only what conversation.ts knows, and what concerns the connection itself, is ever answered. */
  command(line: string): Promise<void> | undefined {
    if (!this._ready) return void this.end(TOO_EARLY)
    if (this.shared.isDraining() && this.state.transaction === null) return void this.end(SHUTTING_DOWN)
    if (this._nextHandler !== false) return this.continueAuth(line)
    const space = line.indexOf(' ')
    const verb = (space === -1 ? line : line.slice(0, space)).toUpperCase()
    if (verb === 'AUTH') return this.auth(line)
    if (verb === 'STARTTLS') return void this.startTls(line)
    if (verb === 'QUIT') return void this.end(ok(221, '2.0.0', 'bye'))
    if (HTTP.has(verb)) return void this.end(limit('this is SMTP, not HTTP'))
    return void this.answer(this.handle(verb, line))
  }

  handle(verb: string, line: string): Answer {
    const handler = HANDLERS.get(verb)
    if (handler === undefined) return UNKNOWN
    try {
      return handler(this.state, line, this.shared)
    } catch (error) {
      this.shared.log.error('a command could not be handled', { error, verb, ...clientFields(this.state) })
      return BROKEN
    }
  }

  /** R-limits: errors and commands that bring nothing forward. */
  answer(answer: Answer): void {
    this.respond(answer)
    this.reception = answer.reception ?? null
    if (answer.noop === true) this.state.noops++
    const { limits } = this.shared.config
    if (this.state.errors >= limits.errors) this.end(limit('too many errors'))
    else if (this.state.noops > limits.noops) this.end(limit('too many commands without mail'))
  }

  /** The reply to a message. */
  received(reply: Reply): void {
    this.reception = null
    if (reply.code === 250) {
      this.state.errors = 0
      this.state.noops = 0
    }
    this.answer(reply)
    if (this.shared.isDraining()) this.end(SHUTTING_DOWN)
  }

  /** RFC 3207. Whatever came behind STARTTLS in plain text is dropped by the library, with the parser that held it. */
  startTls(line: string): void {
    const refused = refuseStartTls(this.state, line)
    if (refused !== null) {
      this.answer(refused)
      return
    }
    this.answer(ok(220, '2.0.0', 'go ahead'))
    this.flush()
    this.server.refreshCertificate()
    this.upgrade(
      () => {},
      () => {
        Object.assign(this.state, { user: null, helo: null, esmtp: false, transaction: null })
        this.noteTls()
      },
    )
  }

  auth(line: string): Promise<void> | undefined {
    const refused = refuseAuth(this.state)
    if (refused !== null) return void this.answer(refused)
    return this.sasl((done) => this.handler_AUTH(Buffer.from(line), done))
  }

  continueAuth(line: string): Promise<void> | undefined {
    const handler = this._nextHandler
    this._nextHandler = false
    return handler === false ? undefined : this.sasl((done) => handler.call(this, Buffer.from(line), done))
  }

  async sasl(step: (done: () => void) => void): Promise<void> {
    await this.busyWith(new Promise<void>((resolve) => step(resolve)))
    this.state.user = typeof this.session.user === 'string' ? this.session.user : null
    if (this.state.errors >= this.shared.config.limits.errors) this.end(limit('too many errors'))
  }

  override _onTimeout(): void {
    if (this._closing) this._socket.destroy()
    else if (this.busy > 0) this._armTimeout()
    else this.end(TIMED_OUT)
  }

  /** R-limits: the session's time is up. A message that is just being stored gets its reply first. */
  endIfOverdue(now: number): void {
    if (this.busy === 0 && now - this.state.startedAt > this.shared.config.limits.sessionMs) this.end(TIMED_OUT)
  }

  /** R-shutdown: idle clients leave at once, running transactions may finish. */
  drain(): void {
    if (this.state.transaction === null && this.reception === null && this.busy === 0) this.end(SHUTTING_DOWN)
  }

  /** R-shutdown: the grace time is over. */
  endNow(): void {
    this.end(SHUTTING_DOWN)
  }

  override _onClose(): void {
    super._onClose()
    this.server.clients.delete(this)
    this.reception?.abort()
    this.reception = null
    if (this.counted) this.server.limits.leave(this.state.ip)
    this.counted = false
  }
}

export type IngressServerOptions = {
  shared: Shared
  listener: ListenerConfig
  limits: ConnectionLimits
  certificate: { key: string; cert: string } | null
  /** Called at each handshake: has the certificate changed? */
  refreshCertificate: () => void
}

export class IngressServer extends SMTPServer {
  readonly shared: Shared
  readonly listener: ListenerConfig
  readonly limits: ConnectionLimits
  readonly refreshCertificate: () => void
  /** Clients in conversation. */
  readonly clients = new Set<IngressConnection>()
  /** Every socket that is open, also while it is being closed. */
  readonly sockets = new Set<Socket>()

  constructor({ shared, listener, limits, certificate, refreshCertificate }: IngressServerOptions) {
    super({
      name: shared.config.hostname,
      logger: false,
      secure: listener.implicitTls,
      disableReverseLookup: true,
      hideENHANCEDSTATUSCODES: false,
      authMethods: ['PLAIN', 'LOGIN'],
      socketTimeout: shared.config.limits.idleMs,
      ...certificate,
      onAuth: ({ username = '', password }, _session, done) => {
        shared.directory.authenticate(username, password ?? '').then(
          (user) => done(null, user === null ? {} : { user }),
          () => done(Object.assign(new Error('accounts cannot be read, try again later'), { responseCode: 454 })),
        )
      },
    } satisfies SMTPServerOptions)
    this.shared = shared
    this.listener = listener
    this.limits = limits
    this.refreshCertificate = refreshCertificate
    this.on('error', (error) => shared.log.info('a connection failed', { listener: listener.name, error }))
  }

  /** The library's own key is published with it: without a certificate of ours there is no TLS at all. */
  override updateSecureContext(options?: SMTPServerOptions | null): void {
    Object.assign(this.options, options)
    const { key, cert } = this.options
    this.secureContext = new Map()
    if (key !== undefined && cert !== undefined) {
      this.secureContext.set('*', createSecureContext({ key, cert, minVersion: 'TLSv1.2' }))
    }
  }

  override connect(socket: Socket | TLSSocket, options?: SMTPConnectionOptions | null): void {
    const connection = new IngressConnection(this, socket, options)
    this.connections.add(connection)
    this.clients.add(connection)
    this.sockets.add(socket)
    socket.once('close', () => {
      this.sockets.delete(socket)
      this.shared.events.disconnection({ listener: this.listener.name })
    })
    connection.on('error', (error: Error) => this._onError(error))
    connection.init()
  }
}
