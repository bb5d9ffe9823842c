/**
 * The mailbox service: LMTP in, one Maildir per account. It starts without any mail and makes folders when they are needed.
 * A 250 for a recipient means that the message lies in that account's `new`, durable (R-maildir).
 */
import type { Config, Directory } from '@sluice/directory'
import type { Log, Metrics } from '@sluice/runtime'
import {
  createConnectionLimits,
  createListeners,
  type Dialogue,
  REPLIES,
  type Reply,
  replyLine,
  type Service,
} from '@sluice/smtp-listener'
import { accountFolder } from './account-folder.ts'
import { type ConversationOptions, handleCommand, type Judged, newSession } from './conversation.ts'
import { createDelivery, type DeliverOptions, type Delivery, type ReportDelivery } from './deliver.ts'
import { createMailboxMetrics, type MailboxMetrics, type Result } from './metrics.ts'
import { hasRoom } from './quota.ts'
import { isRefusal, OVER_QUOTA } from './reply.ts'
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
const SWEEP_EVERY_MS = 3_600_000

const resultOf = ({ code }: Reply): Result => (code < 300 ? 'delivered' : code < 500 ? 'deferred' : 'refused')

const named = (id: string | null): { id?: string } => (id === null ? {} : { id })

const reportTo =
  (log: Log, { stored }: MailboxMetrics, delivery: Delivery): ReportDelivery =>
  (results, id) => {
    for (const [at, { reply, path, sizeBytes }] of results.entries()) {
      stored(resultOf(reply), sizeBytes)
      const recipient = delivery.recipients[at]!.account.address
      const fields = { ...named(id), from: delivery.from, recipient, path, sizeBytes, reply: replyLine(reply) }
      log.info(isRefusal(reply) ? 'not stored' : 'stored', fields)
    }
  }

/** RCPT: is there such an account, and has it room for what MAIL declared? */
const createJudge =
  ({ config, directory }: MailboxOptions) =>
  async (address: string, sizeBytes: number): Promise<Judged> => {
    const account = directory.account(address)
    if (account === null) return { kind: 'refused', reply: REPLIES.noSuchRecipient }
    const folder = accountFolder(config.mailbox.directory, account.address)
    const full = account.quotaBytes !== null && !(await hasRoom(folder, account.quotaBytes, sizeBytes))
    return full ? { kind: 'refused', reply: OVER_QUOTA } : { kind: 'account', account }
  }

const openDialogue = (ip: string, conversation: ConversationOptions, log: Log, metrics: MailboxMetrics): Dialogue => {
  metrics.connected()
  const session = newSession(ip)
  return {
    client: session,
    command: (verb, line) =>
      handleCommand(verb, line, session, {
        ...conversation,
        receive: (delivery) => {
          // A client that brings mail may stay: its time runs anew.
          session.startedAt = performance.now()
          return conversation.receive(delivery)
        },
      }),
    isInTransaction: () => session.transaction !== null,
    mayLogIn: () => false,
    forget: () => {},
    rejected: (reply) => {
      metrics.rejected(reply.reason)
      log.debug('refused', { client: ip, reason: reply.reason, reply: replyLine(reply) })
    },
    gone: metrics.disconnected,
  }
}

export const createMailbox = (options: MailboxOptions): Mailbox => {
  const { config, log, now } = options
  const { hostname, limits } = config
  const metrics = createMailboxMetrics(options.metrics, config.mailbox.directory)
  const deliverOptions: DeliverOptions = {
    directory: config.mailbox.directory,
    hostname,
    maxBytes: limits.sizeBytes + HEADER_ALLOWANCE_BYTES,
    now,
    onFault: (recipient, error, id) => log.error('mail could not be stored', { ...named(id), recipient, error }),
  }
  const conversation: ConversationOptions = {
    hostname,
    maxBytes: deliverOptions.maxBytes,
    judge: createJudge(options),
    receive: (delivery) => createDelivery(deliverOptions, delivery, reportTo(log, metrics, delivery)),
  }
  const service: Service = {
    protocol: 'LMTP',
    hostname,
    limits: { ...limits, sizeBytes: deliverOptions.maxBytes },
    // Its clients are a gateway's own hosts, few of them.
    connectionLimits: createConnectionLimits({ ...limits, connectionsPerClient: limits.connections }),
    handshakeLimits: createConnectionLimits(limits),
    bareLineFeeds: 'reject',
    open: (_listener, ip) => openDialogue(ip, conversation, log, metrics),
    refuse: () => null,
    authenticate: async () => null,
    tlsFailed: () => {},
    proxyFailed: () => {},
    log,
  }
  const lmtp = { name: 'lmtp', listen: config.mailbox.listen, tls: null, implicitTls: false, auth: 'off' } as const
  const listeners = createListeners([lmtp], service)
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
      const [listening] = await listeners.listen()
      if (listening === undefined) throw new Error('the mailbox has no listener')
      sweepQuietly()
      timer = setInterval(sweepQuietly, SWEEP_EVERY_MS).unref()
      return listening
    },
    close: async () => {
      clearInterval(timer)
      await listeners.close(config.shutdownGraceMs)
    },
  }
}
