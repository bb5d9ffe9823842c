/**
 * smtp-server's connection, with what the mail rules ask beyond it. Each override names its rule:
 * - `init` R-banner: no wait before the banner
 * - `_getHandler` R-order: nothing undocumented answers
 * - `send` R-gone, R-lmtp: a reply carries the enhanced code of its own reason
 * - `handler_MAIL`, `handler_RCPT` R-address, R-order, R-lmtp: addresses and parameters by the grammar; one entry per RCPT, also
 *   when two differ in case only, so that each gets its reply
 * - `_resetSession` R-shutdown: leave as soon as a running transaction has ended
 */
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js'
import { parseMail, parseRcpt } from './lmtp-commands.ts'
import { isRefusal, type LmtpReply, REPLIES, replyForFault } from './reply.ts'

export type LmtpPolicy = {
  maxRecipients: number
  /** What RCPT is told about this address; a refusal keeps it out of the transaction. */
  judge: (address: string, sizeBytes: number) => Promise<LmtpReply>
  isDraining: () => boolean
}

const COMMANDS = new Set(['EHLO', 'MAIL', 'RCPT', 'DATA', 'RSET', 'NOOP', 'QUIT', 'VRFY', 'HELP'])
const OWN_CODE = /^([245])\.\d{1,3}\.\d{1,3} /

export class LmtpConnection extends SMTPConnection {
  readonly #policy: LmtpPolicy

  constructor(policy: LmtpPolicy, ...rest: ConstructorParameters<typeof SMTPConnection>) {
    super(...rest)
    this.#policy = policy
  }

  reply({ code, enhanced, text }: LmtpReply): void {
    this.send(code, `${enhanced} ${text}`)
  }

  isInTransaction(): boolean {
    return this.session.envelope !== undefined && this.session.envelope.mailFrom !== false
  }

  override init(): void {
    this._setListeners(() => {
      const { maxClients } = this._server.options
      if (maxClients !== undefined && this._server.connections.size > maxClients) {
        this.send(421, '4.7.0 Too many connections, try again in a moment')
        return
      }
      this.connectionReady()
    })
  }

  override _getHandler(command: string): ReturnType<SMTPConnection['_getHandler']> {
    return COMMANDS.has(command) ? super._getHandler(command) : undefined
  }

  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    const own = typeof data === 'string' && OWN_CODE.exec(data)?.[1] === String(code)[0]
    super.send(code, data, own ? false : context)
  }

  override handler_MAIL(command: Buffer, callback: () => void): void {
    const parsed = parseMail(command.toString('utf8'))
    if (parsed.kind === 'refused') this.reply(parsed.reply)
    else if (this.isInTransaction()) this.reply(REPLIES.nested)
    else if (parsed.value.sizeBytes > (this._server.options.size ?? Number.POSITIVE_INFINITY)) this.reply(REPLIES.tooBig)
    else {
      this.session.envelope.mailFrom = { address: parsed.value.from, args: { SIZE: String(parsed.value.sizeBytes) } }
      this.send(250, '2.1.0 Sender accepted')
    }
    callback()
  }

  override handler_RCPT(command: Buffer, callback: () => void): void {
    this.#takeRecipient(command.toString('utf8'))
      .catch(replyForFault)
      .then((reply) => {
        this.reply(reply)
        callback()
      })
  }

  async #takeRecipient(command: string): Promise<LmtpReply> {
    const parsed = parseRcpt(command)
    const { envelope } = this.session
    if (parsed.kind === 'refused') return parsed.reply
    if (envelope.mailFrom === false) return REPLIES.noMail
    if (envelope.rcptTo.length >= this.#policy.maxRecipients) return REPLIES.tooMany
    const { address, orcpt } = parsed.value
    const sizeBytes = Number(envelope.mailFrom.args === false ? 0 : envelope.mailFrom.args.SIZE)
    const reply = await this.#policy.judge(address, sizeBytes)
    if (!isRefusal(reply)) envelope.rcptTo.push({ address, args: false, dsn: orcpt === null ? {} : { orcpt } })
    return reply
  }

  override _resetSession(): void {
    super._resetSession()
    if (this._ready && this.#policy.isDraining()) this.reply(REPLIES.shutdown)
  }
}
