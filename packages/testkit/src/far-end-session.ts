/** One connection of the scripted far end: reads commands and content, answers by the script and the options. */
import type { Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import { atData, atDot, atMail, atRcpt, dropsInData, type Step } from './far-end-script.ts'
import type { FarEndConnection, FarEndMessage, FarEndOptions, FarEndStage } from './far-end-types.ts'
import { END, removeStuffing, splitPath } from './far-end-wire.ts'

export const DEFAULT_EXTENSIONS = ['PIPELINING', 'SIZE 52428800', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES', 'DSN']

export type SessionParts = {
  options: () => FarEndOptions
  index: number
  record: FarEndConnection
  /** How often an address has been seen, for all connections. */
  seen: Map<string, number>
  accept: (message: FarEndMessage) => void
  /** Connections that are open now, this one included. */
  open: () => number
}

const TOO_MANY: Step = { reply: '421 4.7.0 far.test Error: too many connections from you', afterwards: 'close' }

type Transaction = { from: string; parameters: string; startedAt: number; recipients: FarEndMessage['recipients'] }

export class FarEndSession {
  readonly #parts: SessionParts
  #socket: Socket
  #pending: Buffer = Buffer.alloc(0)
  /** Pieces of the content while it comes in. */
  #content: Buffer[] | null = null
  #transaction: Transaction | null = null
  #messages = 0
  #silent = false
  #authenticated = false
  /** Takes the next line when it is no command. */
  #nextLine: ((line: string) => Promise<void>) | null = null
  #busy: Promise<void> = Promise.resolve()

  constructor(socket: Socket, parts: SessionParts) {
    this.#socket = socket
    this.#parts = parts
    this.#listen(socket)
  }

  start(): void {
    if (this.#stops('connect')) return
    if (this.#stops('greeting')) return
    const { hostname = 'far.test', protocol = 'smtp', maxConnections = Number.POSITIVE_INFINITY } = this.#parts.options()
    const welcome: Step = { reply: `220 ${hostname} ${protocol === 'lmtp' ? 'LMTP' : 'ESMTP'} scripted` }
    const isFull = this.#parts.open() > maxConnections
    this.#run(() => this.#answer('greeting', isFull ? TOO_MANY : welcome))
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #listen(socket: Socket): void {
    socket.on('error', () => {})
    socket.on('data', (piece: Buffer) => this.#run(() => this.#take(piece)))
    socket.on('close', () => {
      this.#parts.record.closedAt = Date.now()
      if (this.#content !== null) this.#parts.record.unfinished = Buffer.concat(this.#content)
    })
  }

  /** One thing after the other: what arrives during a wait is handled after it. */
  #run(work: () => Promise<void>): void {
    this.#busy = this.#busy.then(() => (this.#socket.destroyed ? undefined : work()))
  }

  #stops(stage: FarEndStage): boolean {
    const { dropAt, silentAt } = this.#parts.options()
    if (dropAt === stage) this.#socket.destroy()
    if (silentAt === stage) this.#silent = true
    // Whoever does not read keeps its sender waiting.
    if (this.#silent && stage === 'content') this.#socket.pause()
    return this.#silent || this.#socket.destroyed
  }

  async #answer(stage: FarEndStage, step: Step): Promise<void> {
    const { replies, delayMs = 0 } = this.#parts.options()
    const waitMs = delayMs + (step.delayMs ?? 0)
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
    if (this.#stops(stage)) return
    if (step.afterwards === 'drop') return void this.#socket.destroy()
    if (step.afterwards === 'silence') {
      this.#silent = true
      return
    }
    this.#socket.write(`${replies?.[stage] ?? step.reply ?? '250 2.0.0 ok'}\r\n`)
    if (step.afterwards === 'close') this.#socket.end()
  }

  async #take(piece: Buffer): Promise<void> {
    this.#pending = this.#pending.length === 0 ? piece : Buffer.concat([this.#pending, piece])
    while (this.#pending.length > 0 && !this.#socket.destroyed && !this.#silent) {
      if (this.#content !== null) {
        if (!(await this.#takeContent(this.#content))) return
        continue
      }
      const end = this.#pending.indexOf('\r\n')
      if (end < 0) return
      const line = this.#pending.toString('utf8', 0, end)
      this.#pending = this.#pending.subarray(end + 2)
      this.#parts.record.commands.push(line)
      await this.#command(line)
    }
  }

  /** @returns whether the content is complete */
  async #takeContent(content: Buffer[]): Promise<boolean> {
    const transaction = this.#transaction!
    const recipients = transaction.recipients.map((recipient) => recipient.address)
    if (this.#stops('content')) return false
    const early = this.#parts.options().replies?.content
    if (early !== undefined && content.length === 0) this.#socket.write(`${early}\r\n`)
    if (dropsInData(recipients)) {
      content.push(this.#pending)
      this.#socket.destroy()
      return false
    }
    const isEmpty = content.length === 0 && this.#pending.subarray(0, 3).equals(END.subarray(2))
    const end = isEmpty ? -2 : this.#pending.indexOf(END)
    if (end === -1) {
      const keep = Math.min(this.#pending.length, END.length - 1)
      content.push(this.#pending.subarray(0, this.#pending.length - keep))
      this.#pending = this.#pending.subarray(this.#pending.length - keep)
      return false
    }
    content.push(this.#pending.subarray(0, end + 2))
    this.#pending = this.#pending.subarray(end + END.length)
    this.#content = null
    this.#transaction = null
    await this.#finish(transaction, removeStuffing(Buffer.concat(content)))
    return true
  }

  async #finish(transaction: Transaction, content: Buffer): Promise<void> {
    const { protocol, slowMs = 1000, dropAfterReplies } = this.#parts.options()
    if (protocol !== 'lmtp') {
      const addresses = transaction.recipients.map((recipient) => recipient.address)
      const step = atDot(addresses, this.#parts.seen, slowMs)
      await this.#settle(transaction, content, transaction.recipients, step)
      return
    }
    for (const [i, recipient] of transaction.recipients.entries()) {
      if (dropAfterReplies !== undefined && i >= dropAfterReplies) return void this.#socket.destroySoon()
      await this.#settle(transaction, content, [recipient], atDot([recipient.address], this.#parts.seen, slowMs))
    }
  }

  async #settle(
    transaction: Transaction,
    content: Buffer,
    recipients: FarEndMessage['recipients'],
    step: Step | null,
  ): Promise<void> {
    const replaced = this.#parts.options().replies?.dot
    const isTaken = recipients.length > 0 && step?.reply === undefined && (replaced === undefined || replaced.startsWith('2'))
    if (isTaken && step?.delayMs === undefined) this.#accept(transaction, content, recipients)
    const number = this.#parts.record.commands.length
    const taken: Step = { ...step, reply: step?.reply ?? `250 2.0.0 taken as ${this.#parts.index}-${number}` }
    await this.#answer('dot', recipients.length === 0 ? { reply: '554 5.5.1 no valid recipients' } : taken)
    if (isTaken && step?.delayMs !== undefined) this.#accept(transaction, content, recipients)
  }

  #accept(transaction: Transaction, content: Buffer, recipients: FarEndMessage['recipients']): void {
    const { from, parameters, startedAt } = transaction
    const { index, record, accept } = this.#parts
    this.#messages++
    accept({ from, parameters, recipients, content, connection: index, startedAt, receivedAt: Date.now(), tls: record.tls })
  }

  async #command(line: string): Promise<void> {
    const expected = this.#nextLine
    this.#nextLine = null
    if (expected !== null) return expected(line)
    const verb = (line.split(/[ :]/, 1)[0] ?? '').toUpperCase()
    switch (verb) {
      case 'EHLO':
      case 'HELO':
      case 'LHLO':
        return this.#ehlo(verb)
      case 'STARTTLS':
        return this.#startTls()
      case 'AUTH':
        return this.#auth(line)
      case 'MAIL':
        return this.#mail(line)
      case 'RCPT':
        return this.#rcpt(line)
      case 'DATA':
        return this.#data()
      case 'RSET':
        this.#transaction = null
        return this.#answer('rset', { reply: '250 2.0.0 reset' })
      case 'NOOP':
        return this.#answer('rset', { reply: '250 2.0.0 ok' })
      case 'QUIT':
        this.#socket.end('221 2.0.0 bye\r\n')
        return
      default:
        return this.#answer('rset', { reply: '500 5.5.2 unknown command' })
    }
  }

  #ehlo(verb: string): Promise<void> {
    const { hostname = 'far.test', extensions = DEFAULT_EXTENSIONS, tls = 'off', auth, protocol } = this.#parts.options()
    if ((verb === 'LHLO') !== (protocol === 'lmtp')) return this.#answer('ehlo', { reply: '500 5.5.1 wrong protocol' })
    if (verb === 'HELO') return this.#answer('helo', { reply: `250 ${hostname}` })
    const lines = [hostname, ...extensions]
    if (tls !== 'off' && tls !== 'implicit' && !this.#parts.record.tls) lines.push('STARTTLS')
    if (auth !== undefined && (tls === 'off' || this.#parts.record.tls)) lines.push(`AUTH ${auth.mechanisms ?? 'PLAIN LOGIN'}`)
    const reply = lines.map((text, i) => `250${i < lines.length - 1 ? '-' : ' '}${text}`).join('\r\n')
    return this.#answer('ehlo', { reply })
  }

  async #startTls(): Promise<void> {
    const { tls, certificate } = this.#parts.options()
    if (tls === 'refused') return this.#answer('starttls', { reply: '454 4.7.0 TLS not available' })
    if (tls === 'off' || tls === undefined) return this.#answer('starttls', { reply: '502 5.5.1 no TLS here' })
    await this.#answer('starttls', { reply: '220 2.0.0 ready' })
    if (this.#silent || this.#socket.destroyed) return
    if (tls === 'drop') return void this.#socket.destroySoon()
    const plain = this.#socket
    plain.removeAllListeners('data')
    if (tls === 'garbage') return void plain.once('data', () => plain.write('this is no handshake\r\n')).resume()
    const secureContext = createSecureContext({ key: certificate?.key, cert: certificate?.cert })
    this.#socket = new TLSSocket(plain, { isServer: true, secureContext })
    this.#parts.record.tls = true
    this.#pending = Buffer.alloc(0)
    this.#transaction = null
    this.#listen(this.#socket)
  }

  /** PLAIN with an initial response, and LOGIN. */
  async #auth(line: string): Promise<void> {
    const [, mechanism = '', initial = ''] = line.split(' ')
    const decoded = (text: string): string => Buffer.from(text, 'base64').toString()
    if (mechanism.toUpperCase() === 'PLAIN') {
      const [, user, password] = decoded(initial).split('\0')
      return this.#login(user, password)
    }
    if (mechanism.toUpperCase() !== 'LOGIN') return this.#answer('auth', { reply: '504 5.5.4 PLAIN and LOGIN only' })
    this.#nextLine = (user) => {
      this.#nextLine = (password) => this.#login(decoded(user), decoded(password))
      return this.#answer('auth', { reply: '334 UGFzc3dvcmQ6' })
    }
    return this.#answer('auth', { reply: '334 VXNlcm5hbWU6' })
  }

  async #login(user: string | undefined, password: string | undefined): Promise<void> {
    const { auth } = this.#parts.options()
    this.#authenticated = auth !== undefined && auth.user === user && auth.password === password
    return this.#answer('auth', { reply: this.#authenticated ? '235 2.7.0 welcome' : '535 5.7.8 wrong credentials' })
  }

  async #mail(line: string): Promise<void> {
    const { auth, messagesPerConnection } = this.#parts.options()
    if (messagesPerConnection !== undefined && this.#messages >= messagesPerConnection) {
      return this.#answer('mail', { reply: '421 4.7.0 enough for one connection', afterwards: 'close' })
    }
    if (auth !== undefined && !this.#authenticated) return this.#answer('mail', { reply: '530 5.7.0 authenticate first' })
    if (this.#transaction !== null) return this.#answer('mail', { reply: '503 5.5.1 nested MAIL' })
    const { address, parameters } = splitPath(line)
    const step = atMail(address)
    const reply = this.#parts.options().replies?.mail ?? step.reply ?? ''
    if (reply.startsWith('2')) this.#transaction = { from: address, parameters, startedAt: Date.now(), recipients: [] }
    return this.#answer('mail', step)
  }

  async #rcpt(line: string): Promise<void> {
    const transaction = this.#transaction
    if (transaction === null) return this.#answer('rcpt', { reply: '503 5.5.1 MAIL first' })
    const { maxRecipients, replies } = this.#parts.options()
    if (maxRecipients !== undefined && transaction.recipients.length >= maxRecipients) {
      return this.#answer('rcpt', { reply: '452 4.5.3 too many recipients' })
    }
    const { address, parameters } = splitPath(line)
    const step = atRcpt(address, this.#parts.seen)
    if ((replies?.rcpt ?? step.reply ?? '').startsWith('2')) transaction.recipients.push({ address, parameters })
    return this.#answer('rcpt', step)
  }

  async #data(): Promise<void> {
    const transaction = this.#transaction
    const addresses = transaction?.recipients.map((recipient) => recipient.address) ?? []
    const noOne = transaction === null || addresses.length === 0
    const step = noOne ? { reply: '554 5.5.1 no valid recipients' } : atData(addresses)
    const reply = this.#parts.options().replies?.data ?? step.reply ?? ''
    if (reply.startsWith('354')) {
      this.#content = []
      this.#transaction ??= { from: '', parameters: '', startedAt: Date.now(), recipients: [] }
    }
    return this.#answer('data', step)
  }
}
