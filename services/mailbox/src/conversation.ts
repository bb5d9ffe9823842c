/** LMTP, RFC 2033: the commands of one client, and what each is answered. The listener itself belongs to @sluice/smtp-listener. */
import { parseMailCommand, parseRcptCommand } from '@sluice/smtp'
import {
  type Answer,
  type Client,
  commonAnswer,
  hostNameOf,
  newClient,
  ok,
  REPLIES,
  type Reception,
  type Reply,
  refuseArguments,
  tooLarge,
} from '@sluice/smtp-listener'
import type { Delivery, MailAccount } from './deliver.ts'

/** RFC 5321 §4.5.3.1.8 asks for 100 at least. */
const MAX_RECIPIENTS = 100

export type Judged = { kind: 'account'; account: MailAccount } | { kind: 'refused'; reply: Reply }

export type ConversationOptions = {
  hostname: string
  /** Offered as SIZE. */
  maxBytes: number
  /** What RCPT is told about this address; a refusal keeps it out of the transaction. */
  judge: (address: string, sizeBytes: number) => Promise<Judged>
  receive: (delivery: Delivery) => Reception
}

type Transaction = Delivery & { sizeBytes: number; refused: boolean }

export type LmtpSession = Client & { transaction: Transaction | null }

export const newSession = (ip: string): LmtpSession => ({ ...newClient(ip), transaction: null })

/** What the far end was told to refuse is no mistake of the client, which is our own gateway. */
const blameless = (reply: Reply): Answer => ({ ...reply, blameless: true })

type Handler = (session: LmtpSession, line: string, options: ConversationOptions) => Answer | Promise<Answer>

const lhlo: Handler = (session, line, { hostname, maxBytes }) => {
  const name = hostNameOf(line)
  if (name === null) return REPLIES.badName
  session.helo = name
  session.transaction = null
  const offered = [hostname, 'PIPELINING', `SIZE ${maxBytes}`, '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES', 'DSN']
  return { ...ok(250, null, offered), noop: true }
}

const mail: Handler = (session, line, { maxBytes }) => {
  if (session.helo === null) return REPLIES.lhloFirst
  if (session.transaction !== null) return REPLIES.nested
  const parsed = parseMailCommand(line)
  if (parsed.kind === 'error') return refuseArguments(parsed.reply)
  const { path, sizeBytes = 0 } = parsed.command
  if (sizeBytes > maxBytes) return blameless(tooLarge(maxBytes))
  const from = path.kind === 'null' ? '' : path.mailbox.text
  session.transaction = { from, recipients: [], sizeBytes, refused: false }
  return REPLIES.senderOk
}

/** One entry per RCPT, also for an account that is named twice: each gets its reply after the dot (R-lmtp). */
const rcpt: Handler = async ({ transaction }, line, { judge }) => {
  if (transaction === null) return REPLIES.mailFirst
  const parsed = parseRcptCommand(line, { utf8: true })
  if (parsed.kind === 'error') return refuseArguments(parsed.reply)
  if (transaction.recipients.length >= MAX_RECIPIENTS) return REPLIES.tooManyRecipients
  const { path, orcpt } = parsed.command
  const judged = await judge(path.kind === 'postmaster' ? 'postmaster' : path.mailbox.text, transaction.sizeBytes)
  if (judged.kind === 'refused') {
    transaction.refused = true
    return blameless(judged.reply)
  }
  const original = orcpt === undefined ? null : orcpt.slice(orcpt.indexOf(';') + 1)
  transaction.recipients.push({ account: judged.account, original })
  return REPLIES.recipientOk
}

const data: Handler = (session, line, { receive }) => {
  const { transaction } = session
  if (line.trim().length > 'DATA'.length) return REPLIES.dataArguments
  if (transaction === null) return REPLIES.mailFirst
  // RFC 2033 §4.2: without a recipient DATA must fail with 503.
  if (transaction.recipients.length === 0) return transaction.refused ? blameless(REPLIES.rcptFirst) : REPLIES.rcptFirst
  session.transaction = null
  return { ...REPLIES.goAhead, reception: receive(transaction) }
}

/** A client whose mail is refused for good reasons sends many of these: not counted. */
const rset: Handler = (session) => {
  session.transaction = null
  return REPLIES.forgotten
}

const HANDLERS: ReadonlyMap<string, Handler> = new Map([
  ['LHLO', lhlo],
  ['MAIL', mail],
  ['RCPT', rcpt],
  ['DATA', data],
  ['RSET', rset],
])

/** @param verb in upper case */
export const handleCommand = (
  verb: string,
  line: string,
  session: LmtpSession,
  options: ConversationOptions,
): Answer | Promise<Answer> => HANDLERS.get(verb)?.(session, line, options) ?? commonAnswer(verb, line)
