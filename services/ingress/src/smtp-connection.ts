/**
 * All that smtp-server is told to do otherwise, each override named after the rule it keeps. smtp-server keeps the sockets, TLS,
 * SASL and the life of a connection; commands are answered by conversation.ts, content goes to reception.ts.
 *
 * Replies of a pipelined group leave in one write. Nothing is read from a client that does not read its replies.
 */
import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server/lib/smtp-server.js'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { type CommandLine, createCommandLines } from './command-lines.ts'
import { type ContentParser, createContentParser } from './content-parser.ts'
import * as conversation from './conversation.ts'
import type { Reception } from './reception.ts'
import { formatReply, ok, type Reply, refuse } from './reply.ts'
import { type IngressServerOptions, secureContexts, serverOptions } from './server-options.ts'
import { clientFields, newSession, type Session, type Shared, tlsOf } from './session.ts'

const NOTHING = Buffer.alloc(0)
/** Commands handled before others get their turn. */
const COMMANDS_PER_TURN = 100

const TIMED_OUT = refuse(421, '4.4.2', 'timeout', 'too slow, closing the connection')
const TOO_EARLY = refuse(554, '5.5.1', 'early-talker', 'you spoke before the greeting')
const INTERNAL = refuse(421, '4.3.0', 'store', 'internal error, try again later')

/** R-smuggle, R-dots: command-lines.ts says what a command is, content-parser.ts what content is and where it ends. */
class IngressStream extends SMTPStream {
  readonly connection: IngressConnection
  readonly lines: ReturnType<typeof createCommandLines>
  parser: ContentParser | null = null

  constructor(connection: IngressConnection, maxLineBytes: number) {
    super()
    this.connection = connection
    this.lines = createCommandLines(maxLineBytes)
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

  async commands(chunk: Buffer): Promise<Buffer> {
    this.lines.feed(chunk)
    for (let count = 1; !this.isClosed; count++) {
      const line = this.lines.next()
      if (line === null) return NOTHING
      const wait = this.connection.take(line)
      if (wait !== undefined) await wait
      if (this.connection.reception !== null) {
        this.parser = createContentParser(this.connection.shared.config.bareLineFeeds)
        return this.lines.takeRest()
      }
      if (count % COMMANDS_PER_TURN === 0) await nextTurn()
    }
    return NOTHING
  }

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
    this.shared = server.own.shared
    this.state = newSession(server.own.listener, this.remoteAddress, this.shared)
    this.state.tls = tlsOf(this._socket)
  }

  /** R-banner: no wait, only a turn of the event loop, in which early talkers show themselves. R-limits, R-shutdown. */
  override init(): void {
    this._setListeners(() => {
      const met = this.server.own.limits.enter(this.state.ip)
      this.counted = met === null
      this.shared.events.connection({ listener: this.state.listener.name, client: this.state.ip })
      const refused = conversation.refuseConnection(met, this.shared)
      if (refused !== null) return this.end(refused)
      setImmediate(() => {
        if (!this._closing && !this._closed) this.connectionReady()
      })
    })
  }

  override _createParser(): SMTPStream {
    const { config, log } = (this._server as IngressServer).own.shared
    const parser = new IngressStream(this, config.limits.commandLineBytes)
    parser.on('error', (error) => {
      log.error('a session failed', { error, ...clientFields(this.state) })
      this.end(INTERNAL)
    })
    return parser
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

  /** R-order: only what conversation.ts knows, and what concerns the connection itself, is ever answered. */
  take(line: CommandLine): Promise<void> | undefined {
    if (!this._ready) return void this.end(TOO_EARLY)
    if (line.kind === 'command') return this.command(line.text)
    this._nextHandler = false
    return void this.answer(conversation.refuseLine(line.kind))
  }

  command(line: string): Promise<void> | undefined {
    if (this.shared.isDraining() && this.state.transaction === null) return void this.end(conversation.SHUTTING_DOWN)
    if (this._nextHandler !== false) return this.continueAuth(line)
    const space = line.indexOf(' ')
    const verb = (space === -1 ? line : line.slice(0, space)).toUpperCase()
    if (verb === 'AUTH') return this.auth(line)
    if (verb === 'STARTTLS') return this.startTls(line)
    return void this.answer(conversation.handleCommand(verb, line, this.state, this.shared))
  }

  /** R-limits: errors and commands that bring nothing forward. */
  answer(answer: conversation.Answer): void {
    this.respond(answer)
    this.reception = answer.reception ?? null
    if (answer.noop === true) this.state.noops++
    const over = conversation.overLimit(this.state, this.shared)
    if (answer.close === true) this.close()
    else if (over !== null) this.end(over)
  }

  /** The reply to a message. */
  received(reply: Reply): void {
    this.reception = null
    if (reply.code === 250) Object.assign(this.state, { errors: 0, noops: 0 })
    this.answer(reply)
    if (this.shared.isDraining()) this.end(conversation.SHUTTING_DOWN)
  }

  /** RFC 3207. Whatever came behind STARTTLS in plain text is dropped by the library, with the parser that held it. */
  startTls(line: string): undefined {
    const refused = conversation.refuseStartTls(this.state, line)
    if (refused !== null) return void this.answer(refused)
    this.answer(ok(220, '2.0.0', 'go ahead'))
    this.flush()
    this.upgrade(
      () => {},
      () => {
        Object.assign(this.state, { user: null, helo: null, esmtp: false, transaction: null, tls: tlsOf(this._socket) })
      },
    )
  }

  auth(line: string): Promise<void> | undefined {
    const refused = conversation.refuseAuth(this.state)
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
    const over = conversation.overLimit(this.state, this.shared)
    if (over !== null) this.end(over)
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
    if (this.state.transaction === null && this.reception === null && this.busy === 0) this.end(conversation.SHUTTING_DOWN)
  }

  override _onClose(): void {
    super._onClose()
    this.server.clients.delete(this)
    this.reception?.abort()
    this.reception = null
    if (this.counted) this.server.own.limits.leave(this.state.ip)
    this.counted = false
  }
}

export class IngressServer extends SMTPServer {
  readonly own: IngressServerOptions
  /** Clients in conversation. */
  readonly clients = new Set<IngressConnection>()
  /** Every socket that is open, also while it is being closed. */
  readonly sockets = new Set<Socket>()

  constructor(options: IngressServerOptions) {
    super(serverOptions(options))
    this.own = options
    const { shared, listener } = options
    this.on('error', (error) => shared.log.info('a connection failed', { listener: listener.name, error }))
  }

  /** The library's own key is published with it: without a certificate of ours there is no TLS at all. */
  override updateSecureContext(options?: SMTPServerOptions | null): void {
    Object.assign(this.options, options)
    this.secureContext = secureContexts(this.options)
  }

  override connect(socket: Socket | TLSSocket, options?: SMTPConnectionOptions | null): void {
    const connection = new IngressConnection(this, socket, options)
    this.connections.add(connection)
    this.clients.add(connection)
    this.sockets.add(socket)
    socket.once('close', () => {
      this.sockets.delete(socket)
      this.own.shared.events.disconnection({ listener: this.own.listener.name })
    })
    connection.on('error', (error: Error) => this._onError(error))
    this.own.refreshCertificate()
    connection.init()
  }
}
