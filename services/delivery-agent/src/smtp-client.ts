/**
 * nodemailer's SMTPConnection, for connecting, TLS, AUTH and the framing of replies, with the overrides that the mail rules ask
 * for; each names its rule. The message itself is sent by transaction.ts through `command`, `expect` and `write`, because the
 * library's own `send` cannot keep R-short, R-partial, R-lmtp, R-dsn-pass and R-clean. Guarantees: every `expect` resolves, with a
 * reply or with the loss of the connection; nothing throws for what a far end does; a connection that was lost stays lost.
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Reply, Stage } from '@sluice/contracts'
import type { Config } from '@sluice/directory'
import { parseReply, redactCommand, replyText } from '@sluice/smtp'
import type { SMTPConnectionOptions } from 'nodemailer/lib/smtp-connection'
import type { Answer } from './answer.ts'
import { inWords, isNetworkError, OpenedConnection } from './smtp-connection.ts'
import { createTranscript } from './transcript.ts'

export type Timeouts = Config['delivery']['timeouts']

/** Why a connection could not be used: a refusal with a reply, or something that happened. */
export type OpeningFailure = { stage: Stage; reply: Reply | null; what: string }

export class SmtpClient extends OpenedConnection {
  readonly transcript = createTranscript()
  /** R-clean: something was refused; RSET before the next transaction. */
  needsReset = false
  /** Transactions begun. */
  transactions = 0
  /** DATA was taken, and the content, or the reply to its dot, is under way. */
  inContent = false
  /** The far end's 421. */
  closing: Reply | null = null
  readonly isLmtp: boolean
  readonly timeouts: Timeouts
  readonly #extensions = new Map<string, string>()
  #stage: Stage = 'connect'
  #failure: OpeningFailure | null = null
  #timer: NodeJS.Timeout | undefined
  #lost = 'connection closed by the far end'
  readonly #expected: { resolve: (answer: Answer) => void; timeoutMs: number | null; what: string }[] = []
  readonly #onDrain = new Set<() => void>()

  constructor(options: SMTPConnectionOptions & { timeouts: Timeouts }) {
    const { timeouts, ...rest } = options
    const longest = Math.max(timeouts.dotMs, timeouts.blockMs, timeouts.mailMs) + 60_000
    super({
      ...rest,
      connectionTimeout: timeouts.connectMs,
      socketTimeout: longest,
      socketCloseTimeout: 1_000,
      maxResponseSize: 65_536,
    })
    this.timeouts = timeouts
    this.isLmtp = options.lmtp === true
    this.on('error', () => {})
  }

  get isOpen(): boolean {
    return !this._destroyed && this._socket !== false && this._socket?.writable === true
  }

  /** TLS protocol and cipher, when encrypted. */
  get tlsName(): string | null {
    const socket = this._socket as TLSSocket | null
    if (!this.secure || typeof socket?.getProtocol !== 'function') return null
    return `${socket.getProtocol() ?? 'TLS'} ${socket.getCipher()?.name ?? ''}`.trim()
  }

  offers(extension: string): boolean {
    return this.#extensions.has(extension)
  }

  /** RFC 1870: null when the far end names no limit. */
  get sizeLimitBytes(): number | null {
    const limit = Number(this.#extensions.get('SIZE'))
    return Number.isSafeInteger(limit) && limit > 0 ? limit : null
  }

  get mechanisms(): readonly string[] {
    return this._supportedAuth
  }

  /** Connects, greets, encrypts as the options say, logs in where `auth` is given. Null: ready for MAIL. */
  async open(auth: { user: string; password: string } | null): Promise<OpeningFailure | null> {
    const opened = await new Promise<Error | undefined>((resolve) => {
      this.once('end', () => resolve(new Error(this.#lost)))
      this.connect(resolve)
    })
    if (opened !== undefined || !this.isOpen) return this.#fail(this.#lost)
    this._clearPhase()
    if (auth === null) return null
    // R-tls: credentials never go over a connection that is not encrypted.
    if (!this.secure) return this.#fail('credentials are sent over an encrypted connection only', 'tls')
    if (this.mechanisms.length === 0) return this.#fail('the far end offers no AUTH that we know', 'auth')
    this.#stage = 'auth'
    const refused = await new Promise<Error | null>((resolve) => {
      this.once('end', () => resolve(new Error(this.#lost)))
      this.login({ user: auth.user, pass: auth.password }, (error) => resolve(error))
    })
    if (refused === null && this.isOpen) return null
    // R-outcome: a refused login concerns the host, also with 5xx.
    const reply = this.#failure?.reply ?? parseReply(((refused as { response?: string } | null)?.response ?? '').split('\n'))
    this.#failure = { stage: 'auth', reply, what: reply === null ? this.#lost : replyText(reply) }
    return this.#fail(this.#failure.what)
  }

  #fail(what: string, stage: Stage = this.#stage): OpeningFailure {
    this.#failure ??= { stage, reply: this.closing, what }
    this.close()
    return this.#failure
  }

  /** Writes command lines in one piece. */
  command(lines: readonly string[]): void {
    for (const line of lines) this.transcript.said('C', line)
    if (this.isOpen) (this._socket as Socket).write(`${lines.join('\r\n')}\r\n`)
  }

  /** The answer to the next command sent. @param timeoutMs null: `startTimer` says later */
  expect(what: string, timeoutMs: number | null): Promise<Answer> {
    if (this._destroyed) return Promise.resolve({ kind: 'lost', what: this.#lost })
    return new Promise((resolve) => {
      this.#expected.push({ resolve, timeoutMs, what })
      this._responseActions.push(this.#answer)
      if (this.#expected.length === 1) this.#watch()
    })
  }

  readonly #answer = (text: string): void => {
    const reply = parseReply(text.split('\n'))
    this.#expected.shift()?.resolve({ kind: 'reply', reply })
    if (reply === null) this.abandon('the far end does not speak SMTP')
    else this.#watch()
  }

  #watch(): void {
    const next = this.#expected[0]
    if (next !== undefined && next.timeoutMs !== null) this.startTimer(next.what, next.timeoutMs)
  }

  /** R-timeouts: the connection is lost unless a reply comes, or `stopTimer` is called, in time. */
  startTimer(what: string, timeoutMs: number): void {
    clearTimeout(this.#timer)
    if (this._destroyed) return
    const late = (): void => this._onError(new Error(`no ${what} within ${timeoutMs / 1000} s`), 'ETIMEDOUT', false, 'CONN')
    this.#timer = setTimeout(late, timeoutMs)
  }

  stopTimer(): void {
    clearTimeout(this.#timer)
  }

  override _clearPhase(): void {
    super._clearPhase()
    this.stopTimer()
  }

  /** Writes content. Resolves when more may be written, or when the connection is lost. */
  write(piece: Buffer, tail = ''): Promise<void> | void {
    if (!this.isOpen) return
    const socket = this._socket as Socket
    if (tail !== '') {
      // One system call for both.
      socket.cork()
      socket.write(piece)
      socket.write(tail)
      socket.uncork()
      return
    }
    const more = socket.write(piece)
    if (more) return
    this.startTimer('progress in sending the content', this.timeouts.blockMs)
    return new Promise((resolve) => {
      const done = (): void => {
        socket.removeListener('drain', done)
        this.#onDrain.delete(done)
        this.stopTimer()
        resolve()
      }
      this.#onDrain.add(done)
      socket.once('drain', done)
    })
  }

  /** Ends the connection at once, without another byte: what was begun is never completed (R-short, R-clean). */
  abandon(what: string): void {
    if (this._destroyed) return
    this.#lost = what
    this.transcript.note(`connection closed by this side: ${what}`)
    if (this._socket) this._socket.destroy()
    this.close()
  }

  /** QUIT, and the end. */
  leave(): void {
    if (this.isOpen) (this._socket as Socket).write('QUIT\r\n')
    this.close()
  }

  /** R-timeouts: greeting and TLS have limits of their own, which the library would cut by the one for connecting. */
  override _remainingSetupTime(): number {
    if (this.upgrading === true) return this.timeouts.tlsMs
    return this.timeouts.greetingMs
  }

  /** R-transcript, R-timeouts: what the library says before the first message. */
  override _sendCommand(line: string): void {
    const verb = /^(?:EHLO|LHLO|HELO|STARTTLS|AUTH)\b/.exec(line)?.[0]
    if (verb !== undefined) this.#stage = verb === 'STARTTLS' ? 'tls' : verb === 'AUTH' ? 'auth' : 'ehlo'
    this.transcript.said('C', redactCommand(line, this.#stage === 'auth' && verb === undefined))
    super._sendCommand(line)
    const timeoutMs = this.#stage === 'tls' ? this.timeouts.tlsMs : this.timeouts.ehloMs
    this.startTimer(`reply to ${verb ?? 'AUTH'}`, timeoutMs)
  }

  override _onConnect(): void {
    this.#stage = 'greeting'
    if (this.secure) this.transcript.note(`TLS: ${this.tlsName}`)
    super._onConnect()
  }

  /** R-transcript, R-tls: the handshake is noted. */
  override _upgradeConnection(callback: (error: Error | null, secured?: boolean) => void): void {
    super._upgradeConnection((error, secured) => {
      if (error === null) this.transcript.note(`TLS: ${this.tlsName}`)
      callback(error, secured)
    })
  }

  /** R-outcome: HELO only for hosts that do not know EHLO; another refusal must not cost 8BITMIME, and so the message. */
  override _actionEHLO(text: string): void {
    if (/^2|^50[024][ -]/.test(text)) super._actionEHLO(text)
    else this._onError(new Error('EHLO refused'), 'EPROTOCOL', text, 'EHLO')
  }

  /** R-utf8, R-8bit, R-dsn-pass: keywords by the grammar of RFC 5321 §4.1.1.1, not anywhere in the text. */
  override _parseEhloExtensions(text: string): void {
    super._parseEhloExtensions(text)
    this.#extensions.clear()
    for (const line of text.split('\n').slice(1)) {
      const [keyword = '', ...parameters] = line.slice(4).trim().split(/\s+/)
      this.#extensions.set(keyword.toUpperCase(), parameters.join(' '))
    }
  }

  /** R-lmtp, R-transcript: all replies that are there, in order and at once; a 421 ends the connection (RFC 5321 §4.2). */
  override _processResponse(): void {
    for (let text = this._responseQueue.shift(); text !== undefined; text = this._responseQueue.shift()) {
      if (text.trim() === '') continue
      this.#take(Buffer.from(text, 'latin1').toString())
      if (this._destroyed) return
    }
  }

  #take(text: string): void {
    const lines = text.split('\n')
    for (const line of lines) this.transcript.said('S', line)
    this.lastServerResponse = text
    const isClosing = text.startsWith('421')
    if (isClosing) {
      this.closing = parseReply(lines)
      if (this.closing !== null) this.#lost = replyText(this.closing)
    }
    const action = this._responseActions.shift()
    this._clearPhase()
    if (action !== undefined) action.call(this, text)
    else if (!isClosing) this.abandon('the far end spoke out of turn')
    if (isClosing && !this._destroyed) this.close()
  }

  /** R-lmtp: complete replies that came before a drop stand. */
  override _onClose(): void {
    if (this._responsePartial) this._responseQueue.pop()
    this._responsePartial = false
    if (!this._destroyed) this._processResponse()
    super._onClose()
  }

  /** R-outcome: what went wrong is kept with the stage it went wrong at. */
  override _onError(error: Error, type: string, response: string | false, command: string): void {
    if (this._destroyed) return
    const reply = response === false ? null : parseReply(response.split('\n'))
    this.#lost = reply === null ? inWords(error) : replyText(reply)
    const isHandshake = this.#stage === 'connect' && this.secureConnection && !isNetworkError(error)
    this.#failure ??= { stage: isHandshake ? 'tls' : this.#stage, reply, what: this.#lost }
    if (reply === null) this.transcript.note(this.#lost)
    super._onError(error, type, response, command)
  }

  override _destroy(): void {
    super._destroy()
    for (const expected of this.#expected.splice(0)) expected.resolve({ kind: 'lost', what: this.#lost })
    for (const done of [...this.#onDrain]) done()
  }
}
