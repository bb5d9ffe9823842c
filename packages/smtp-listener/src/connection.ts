/**
 * All that smtp-server's connection is told to do otherwise, each override named after the rule it keeps. smtp-server keeps the
 * sockets, TLS, SASL and the life of a connection; commands and content go to the service's dialogue.
 *
 * Replies of a pipelined group leave in one write. Nothing is read from a client that does not read its replies. One that has sent
 * all it had and closed its side (RFC 9293 §3.6) still hears every reply, and then the connection ends.
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import type { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { tlsOf } from './client.ts'
import type { CommandLine } from './command-lines.ts'
import type { Answer, Dialogue, Reception, Service } from './dialogue.ts'
import { libraryReply, refuseAuth, refuseStartTls } from './extensions.ts'
import { REPLIES } from './replies.ts'
import { formatReply, ok, type Reply } from './reply.ts'
import type { ListenerServer } from './server.ts'
import { ListenerStream } from './stream.ts'

const GO_AHEAD = ok(220, '2.0.0', 'go ahead')

const isWaiting = (answer: Answer | Promise<Answer>): answer is Promise<Answer> => answer instanceof Promise

export class ListenerConnection extends SMTPConnection {
  readonly server: ListenerServer
  readonly service: Service
  readonly dialogue: Dialogue
  /** The socket as it was accepted, below TLS. */
  readonly accepted: Socket
  reception: Reception | null = null
  outbox = ''
  busy = 0
  counted = false
  /** Why the connection failed. */
  fault: Error | null = null

  constructor(server: ListenerServer, socket: Socket | TLSSocket, options?: SMTPConnectionOptions | null) {
    super(server, socket, options)
    this.server = server
    this.service = server.service
    this.accepted = socket
    this.dialogue = server.service.open(server.listener, this.remoteAddress, server.originOf(socket))
    this.dialogue.client.tls = tlsOf(this._socket)
  }

  /** R-banner: no wait, only a turn of the event loop, in which early talkers show themselves. R-limits, R-shutdown. */
  override init(): void {
    this._setListeners(() => {
      const met = this.service.connectionLimits.enter(this.dialogue.client.ip)
      this.counted = met === null
      if (met === 'connections') return this.end(REPLIES.tooManyConnections)
      if (met !== null) return this.end(REPLIES.tooManyFromClient)
      const refused = this.server.isDraining ? REPLIES.shuttingDown : this.service.refuse()
      if (refused !== null) return this.end(refused)
      setImmediate(() => {
        if (!this._closing && !this._closed) this.connectionReady()
      })
    })
  }

  override _createParser(): SMTPStream {
    // Called by the library's constructor, before ours has run.
    const parser = new ListenerStream(this, (this._server as ListenerServer).service)
    parser.on('error', (error) => {
      this.service.log.error('a session failed', { error, client: this.dialogue.client.ip })
      this.end(REPLIES.internal)
    })
    return parser
  }

  /** Replies of the library itself (greeting, SASL): its codes and words, our way to the client. */
  override send(code: number, data?: string | string[] | null): void {
    if (code === 421) this.end(REPLIES.timedOut)
    else this.respond(libraryReply(code, data ?? ''))
    if (this.busy === 0) this.flush()
  }

  respond(reply: Reply & { blameless?: boolean }): void {
    this.outbox += formatReply(reply)
    const { reason } = reply
    if (reason === undefined) return
    this.dialogue.rejected({ ...reply, reason })
    if (reply.code >= 500 && reply.blameless !== true) this.dialogue.client.errors++
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

  /** R-order: only what the dialogue knows, and what concerns the connection itself, is ever answered. */
  take(line: CommandLine): Promise<void> | undefined {
    if (!this._ready) return void this.end(REPLIES.tooEarly)
    if (line.kind === 'command') return this.command(line.text)
    this._nextHandler = false
    if (line.kind === 'endless') return void this.end(REPLIES.endlessLine)
    return void this.answer(line.kind === 'broken' ? REPLIES.brokenLine : REPLIES.longLine)
  }

  command(line: string): Promise<void> | undefined {
    if (this.server.isDraining && !this.dialogue.isInTransaction()) return void this.end(REPLIES.shuttingDown)
    if (this._nextHandler !== false) return this.continueAuth(line)
    const space = line.indexOf(' ')
    const verb = (space === -1 ? line : line.slice(0, space)).toUpperCase()
    if (verb === 'AUTH') return this.auth(line)
    if (verb === 'STARTTLS') return this.startTls(line)
    if (verb === 'PROXY') return void this.foreignHeader()
    return this.ask(verb, line)
  }

  ask(verb: string, line: string): Promise<void> | undefined {
    try {
      const answer = this.dialogue.command(verb, line)
      if (!isWaiting(answer)) return void this.answer(answer)
      return this.busyWith(answer).then(
        (late) => this.answer(late),
        (fault: unknown) => this.failed(fault, verb),
      )
    } catch (fault) {
      return void this.failed(fault, verb)
    }
  }

  failed(error: unknown, verb: string): void {
    this.service.log.error('a command could not be handled', { error, verb, client: this.dialogue.client.ip })
    this.answer(REPLIES.failed)
  }

  /** R-limits: errors and commands that bring nothing forward. */
  answer(answer: Answer): void {
    if (this._closing || this._closed) return void answer.reception?.abort()
    this.respond(answer)
    this.reception = answer.reception ?? null
    if (answer.noop === true) this.dialogue.client.noops++
    if (answer.close === true) this.close()
    else this.endIfOverLimit()
  }

  endIfOverLimit(): void {
    const { client } = this.dialogue
    const { limits } = this.service
    if (client.errors >= limits.errors) this.end(REPLIES.tooManyErrors)
    else if (client.noops > limits.noops) this.end(REPLIES.tooManyNoops)
  }

  /** The reply to a message, or its replies. */
  received(replies: Reply | readonly Reply[]): void {
    this.reception = null
    const all = 'code' in replies ? [replies] : replies
    if (all.some(({ code }) => code === 250)) Object.assign(this.dialogue.client, { errors: 0, noops: 0 })
    for (const reply of all) this.respond(reply)
    this.endIfOverLimit()
    if (this.server.isDraining) this.end(REPLIES.shuttingDown)
  }

  /** R-size: an end in sight is waited for; this has none. */
  abandon(): void {
    this.reception?.abort()
    this.reception = null
    this.end(REPLIES.endless)
  }

  /** A peer that is not trusted says whose connection it passes on, or a trusted one says so twice. */
  foreignHeader(): void {
    this.end(REPLIES.untrustedProxyHeader)
  }

  /** The client closed its side: what it sent is answered, and a message that has no end never gets one. */
  finished(): void {
    if (!this._closing && !this._closed) this.close()
  }

  /** RFC 3207. Whatever came behind STARTTLS in plain text is dropped by the library, with the parser that held it. */
  startTls(line: string): undefined {
    const refused = refuseStartTls(this.server.listener, this.dialogue.client, line)
    if (refused !== null) return void this.answer(refused)
    this.respond(GO_AHEAD)
    this.flush()
    // Who closes a side in the midst of a handshake is gone.
    this._socket.allowHalfOpen = false
    this.upgrade(
      () => {},
      () => {
        this._socket.allowHalfOpen = true
        Object.assign(this.dialogue.client, { user: null, helo: null, tls: tlsOf(this._socket) })
        this.dialogue.forget()
      },
    )
  }

  auth(line: string): Promise<void> | undefined {
    const refused = refuseAuth(this.server.listener, this.dialogue)
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
    this.dialogue.client.user = typeof this.session.user === 'string' ? this.session.user : null
    this.endIfOverLimit()
  }

  override _onTimeout(): void {
    if (this._closing) this._socket.destroy()
    else if (this.busy > 0) this._armTimeout()
    else this.end(REPLIES.timedOut)
  }

  /** R-limits: the session's time is up. A message that is just being stored gets its reply first. */
  endIfOverdue(): void {
    const passedMs = performance.now() - this.dialogue.client.startedAt
    if (this.busy === 0 && passedMs > this.service.limits.sessionMs) this.end(REPLIES.timedOut)
  }

  /** R-shutdown: idle clients leave at once, running transactions may finish. */
  drain(): void {
    if (!this.dialogue.isInTransaction() && this.reception === null && this.busy === 0) this.end(REPLIES.shuttingDown)
  }

  override _onError(fault: Error & { code?: string; remoteAddress?: string }): void {
    this.fault ??= fault
    super._onError(fault)
  }

  override _onClose(): void {
    const wasOpen = !this._closed
    if (wasOpen && this._upgrading) this.service.tlsFailed(this.server.listener, this.dialogue.client.ip, this.fault)
    super._onClose()
    this.server.clients.delete(this)
    this.server.sockets.delete(this.accepted)
    this.reception?.abort()
    this.reception = null
    if (this.counted) this.service.connectionLimits.leave(this.dialogue.client.ip)
    this.counted = false
    if (wasOpen) this.dialogue.gone()
  }
}
