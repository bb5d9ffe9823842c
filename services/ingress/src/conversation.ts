/**
 * The commands of a mail transaction and what each is answered, RFC 5321 §4.1 and §4.3.2 (R-order). Handlers only read and change
 * the session; sockets, TLS, AUTH and limits belong to @sluice/smtp-listener.
 */
import type { Readiness } from '@sluice/runtime'
import { parseMailCommand } from '@sluice/smtp'
import {
  type Answer,
  commonAnswer,
  hostNameOf,
  offersAuth,
  offersStartTls,
  ok,
  REPLIES,
  type Reply,
  refuse,
  refuseArguments,
  tooLarge,
} from '@sluice/smtp-listener'
import { createReception } from './reception.ts'
import { takeRecipient } from './recipients.ts'
import type { Session, Shared } from './session.ts'

/** @param line the whole command as text, without its CRLF */
type Handler = (session: Session, line: string, shared: Shared) => Answer

const HELO_FIRST = refuse(503, '5.5.1', 'order', 'send EHLO first')
const AUTH_FIRST = refuse(530, '5.7.0', 'auth', 'authentication required')

const greet = (session: Session, line: string, esmtp: boolean): Reply | null => {
  const name = hostNameOf(line)
  if (name === null) return REPLIES.badName
  session.helo = name
  session.esmtp = esmtp
  session.transaction = null
  return null
}

const helo: Handler = (session, line, { config }) =>
  greet(session, line, false) ?? { ...ok(250, null, config.hostname), noop: true }

const ehlo: Handler = (session, line, { config }) => {
  const refused = greet(session, line, true)
  if (refused !== null) return refused
  const lines = [
    config.hostname,
    'PIPELINING',
    `SIZE ${config.limits.sizeBytes}`,
    '8BITMIME',
    'SMTPUTF8',
    'ENHANCEDSTATUSCODES',
    'DSN',
  ]
  if (offersStartTls(session.listener, session)) lines.push('STARTTLS')
  if (offersAuth(session.listener, session) && session.user === null) lines.push('AUTH PLAIN LOGIN')
  return { ...ok(250, null, lines), noop: true }
}

/** R-full and R-451: what cannot be kept is refused before its content is sent. */
const refuseToStore = (readiness: Readiness): Reply | null => {
  switch (readiness.kind) {
    case 'ok':
      return null
    case 'full':
      return refuse(452, '4.3.1', 'full', 'storage is nearly full, try again later')
    case 'away':
      return refuse(451, '4.3.0', 'away', 'storage does not answer, try again later')
    case 'unsafe':
      return refuse(451, '4.3.5', 'unsafe', 'storage is not durable as configured, try again later')
  }
}

/** At the greeting: a full store still takes clients (452 to MAIL later), one that keeps nothing does not. */
export const refuseClient = (readiness: Readiness): Reply | null => {
  const refused = readiness.kind === 'full' ? null : refuseToStore(readiness)
  return refused === null ? null : { ...refused, code: 421 }
}

const mail: Handler = (session, line, shared) => {
  if (session.helo === null) return HELO_FIRST
  if (session.transaction !== null) return REPLIES.nested
  if (session.listener.auth === 'required' && session.user === null) return AUTH_FIRST
  const parsed = parseMailCommand(line)
  if (parsed.kind === 'error') return refuseArguments(parsed.reply)
  const { command } = parsed
  // RFC 5321 §2.2.1: no extensions without EHLO.
  if (!session.esmtp && line.trimEnd().at(-1) !== '>') return refuse(555, '5.5.4', 'parameter', 'parameters need EHLO')
  const { sizeBytes } = shared.config.limits
  if ((command.sizeBytes ?? 0) > sizeBytes) return tooLarge(sizeBytes)
  if (shared.isDraining()) return { ...REPLIES.shuttingDown, close: true }
  const refused = refuseToStore(shared.readiness())
  if (refused !== null) return refused
  session.transaction = {
    from: command.path.kind === 'null' ? '' : command.path.mailbox.text,
    mail: command,
    recipients: new Map(),
    hops: new Map(),
    named: 0,
    firstNamed: '',
    refusedRecipients: false,
    begunAt: shared.tracer === null ? 0 : performance.now(),
  }
  return REPLIES.senderOk
}

const rcpt: Handler = (session, line, shared) => {
  const { transaction } = session
  if (transaction === null) return REPLIES.mailFirst
  const reply = takeRecipient(transaction, line, session, shared)
  if (reply.code !== 250) transaction.refusedRecipients = true
  return reply
}

const data: Handler = (session, line, shared) => {
  const { transaction } = session
  if (line.trim().length > 4) return REPLIES.dataArguments
  if (transaction === null) return REPLIES.mailFirst
  // RFC 2920 §3.1: in a pipelined group DATA may follow refused RCPTs.
  if (transaction.named === 0) return transaction.refusedRecipients ? REPLIES.noRecipients : REPLIES.rcptFirst
  session.transaction = null
  session.messages++
  return { ...REPLIES.goAhead, reception: createReception(session, transaction, shared) }
}

const rset: Handler = (session) => {
  session.transaction = null
  return { ...REPLIES.forgotten, noop: true }
}

/** What every listener answers alike, and STARTTLS and AUTH, are not here. */
const HANDLERS: ReadonlyMap<string, Handler> = new Map([
  ['HELO', helo],
  ['EHLO', ehlo],
  ['MAIL', mail],
  ['RCPT', rcpt],
  ['DATA', data],
  ['RSET', rset],
])

/** @param verb in upper case */
export const handleCommand = (verb: string, line: string, session: Session, shared: Shared): Answer =>
  HANDLERS.get(verb)?.(session, line, shared) ?? commonAnswer(verb, line)
