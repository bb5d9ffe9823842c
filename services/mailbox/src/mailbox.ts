/**
 * The mailbox service: LMTP in, one Maildir per account. It starts without any mail and makes folders when they are needed.
 * A 250 for a recipient means that the message lies in that account's `new`, durable (R-maildir).
 */
import type { Config, Directory } from '@sluice/directory'
import type { Log, Metrics } from '@sluice/runtime'
import { Counter } from 'prom-client'
import type { SMTPServerDataStream, SMTPServerSession } from 'smtp-server'
import { accountFolder } from './account-folder.ts'
import { type DeliverOptions, type Delivery, type DeliveryResult, deliver, type MailAccount } from './deliver.ts'
import { createLmtpServer } from './lmtp-server.ts'
import { hasRoom } from './quota.ts'
import { isRefusal, type LmtpReply, REPLIES } from './reply.ts'
import { sweepTmp } from './sweep-tmp.ts'

export type MailboxConfig = Pick<Config, 'hostname' | 'mailbox' | 'limits' | 'shutdownGraceMs'>

export type MailboxOptions = {
  config: MailboxConfig
  directory: Pick<Directory, 'account'>
  log: Log
  metrics: Metrics
  /** ms since the epoch */
  now: () => number
}

export type Mailbox = {
  listen: () => Promise<{ address: string; port: number }>
  /** R-shutdown. Resolves when nothing runs any more. */
  close: () => Promise<void>
}

/** Headers that the gateway added on the way must not make a message too big that was let in. */
const HEADER_ALLOWANCE_BYTES = 65_536
const MAX_RECIPIENTS = 100
const SWEEP_EVERY_MS = 3_600_000

const RESULTS = ['delivered', 'deferred', 'refused'] as const
type Result = (typeof RESULTS)[number]
type Count = (result: Result) => void

const createCount = (metrics: Metrics): Count => {
  const counter = new Counter({
    name: 'sluice_mailbox_recipients_total',
    help: 'Recipients of messages that came in whole, by result',
    labelNames: ['result'] as const,
    registers: [metrics],
  })
  for (const result of RESULTS) counter.inc({ result }, 0)
  return (result) => counter.inc({ result })
}

const originalOf = (orcpt: string | undefined): string | null =>
  orcpt === undefined ? null : orcpt.slice(orcpt.indexOf(';') + 1)

/** @throws when an account has gone since its RCPT */
const deliveryOf = (session: SMTPServerSession, account: (address: string) => MailAccount | null): Delivery => {
  const { mailFrom, rcptTo } = session.envelope
  return {
    from: mailFrom === false ? '' : mailFrom.address,
    recipients: rcptTo.map(({ address, dsn }) => {
      const found = account(address)
      if (found === null) throw new Error(`the account ${address} has gone`)
      return { account: found, original: originalOf(dsn?.orcpt) }
    }),
  }
}

const resultOf = ({ code }: LmtpReply): Result => (code < 300 ? 'delivered' : code < 500 ? 'deferred' : 'refused')

const report = (log: Log, count: Count, delivery: Delivery, results: DeliveryResult[]): void => {
  for (const [at, { reply, path, sizeBytes }] of results.entries()) {
    count(resultOf(reply))
    const recipient = delivery.recipients[at]!.account.address
    const fields = { from: delivery.from, recipient, path, sizeBytes, reply: `${reply.code} ${reply.enhanced} ${reply.text}` }
    log.info(isRefusal(reply) ? 'not stored' : 'stored', fields)
  }
}

/** RCPT: is there such an account, and has it room for what MAIL declared? */
const createJudge =
  ({ config, directory }: MailboxOptions) =>
  async (address: string, sizeBytes: number): Promise<LmtpReply> => {
    const account = directory.account(address)
    if (account === null) return REPLIES.unknown
    const folder = accountFolder(config.mailbox.directory, account.address)
    const full = account.quotaBytes !== null && !(await hasRoom(folder, account.quotaBytes, sizeBytes))
    return full ? REPLIES.overQuota : { code: 250, enhanced: '2.1.5', text: 'Recipient accepted' }
  }

export const createMailbox = (options: MailboxOptions): Mailbox => {
  const { config, directory, log, now } = options
  const count = createCount(options.metrics)
  const deliverOptions: DeliverOptions = {
    directory: config.mailbox.directory,
    hostname: config.hostname,
    maxBytes: config.limits.sizeBytes + HEADER_ALLOWANCE_BYTES,
    now,
    onFault: (recipient, error) => log.error('mail could not be stored', { recipient, error }),
  }
  const onMessage = async (session: SMTPServerSession, content: SMTPServerDataStream): Promise<LmtpReply[]> => {
    const delivery = deliveryOf(session, directory.account)
    const results = await deliver(deliverOptions, delivery, content)
    report(log, count, delivery, results)
    return results.map(({ reply }) => reply)
  }
  const server = createLmtpServer({
    hostname: config.hostname,
    maxBytes: deliverOptions.maxBytes,
    maxConnections: config.limits.connections,
    maxRecipients: MAX_RECIPIENTS,
    idleMs: config.limits.idleMs,
    commandLineBytes: config.limits.commandLineBytes,
    judge: createJudge(options),
    onMessage,
    onError: (error) => log.warn('a connection failed', { error }),
  })
  const sweep = async (): Promise<void> => {
    const removed = await sweepTmp(config.mailbox.directory, now())
    if (removed > 0) log.info('old files removed from tmp', { removed })
  }
  const sweepQuietly = (): void => {
    sweep().catch((error: unknown) => log.warn('old files in tmp could not be removed', { error }))
  }
  let timer: NodeJS.Timeout | undefined
  return {
    listen: async () => {
      const listening = await server.listen(config.mailbox.listen.host, config.mailbox.listen.port)
      sweepQuietly()
      timer = setInterval(sweepQuietly, SWEEP_EVERY_MS).unref()
      return listening
    },
    close: async () => {
      clearInterval(timer)
      await server.close(config.shutdownGraceMs)
    },
  }
}
