/**
 * The commands of a mail transaction and what each is answered, RFC 5321 §4.1 and §4.3.2 (R-order). Handlers only read and change
 * the session; sockets, TLS and AUTH belong to smtp-connection.ts.
 */
import type { Readiness } from '@sluice/runtime'
import { parseMailCommand } from '@sluice/smtp'
import { createReception, type Reception } from './reception.ts'
import { takeRecipient } from './recipients.ts'
import { ok, type Reply, refuse, refuseArguments } from './reply.ts'
import { clientFields, offersAuth, type Session, type Shared } from './session.ts'

export type Answer = Reply & {
  /** From now on the client sends content, for this. */
  reception?: Reception
  /** The connection ends with it. */
  close?: boolean
  /** Counts as a command that brings nothing forward (R-limits). */
  noop?: boolean
}

/** @param line the whole command as text, without its CRLF */
type Handler = (session: Session, line: string, shared: Shared) => Answer

export const SHUTTING_DOWN = refuse(421, '4.3.2', 'shutdown', 'shutting down, try again later')
const UNKNOWN = refuse(500, '5.5.2', 'syntax', 'command not known')
const BROKEN = refuse(451, '4.3.0', 'store', 'internal error, try again later')
const HELO_FIRST = refuse(503, '5.5.1', 'order', 'send EHLO first')
const NESTED = refuse(503, '5.5.1', 'order', 'a mail transaction is under way already')
const MAIL_FIRST = refuse(503, '5.5.1', 'order', 'send MAIL first')
const RCPT_FIRST = refuse(503, '5.5.1', 'order', 'send RCPT first')
const NO_RECIPIENTS = refuse(554, '5.5.1', 'order', 'no valid recipients')
const AUTH_FIRST = refuse(530, '5.7.0', 'auth', 'authentication required')
const SENDER_OK = ok(250, '2.1.0', 'sender ok')
const GO_AHEAD = ok(354, null, 'end with <CRLF>.<CRLF>')

/** Reads well in Received and cannot break out of it: names, address literals and bare addresses, as real clients send them. */
const HELO_NAME = /^[\p{L}\p{N}\p{M}_.:[\]-]{1,255}$/u

const argumentOf = (line: string): string => {
  const space = line.indexOf(' ')
  return space === -1 ? '' : line.slice(space + 1).trim()
}

const greet = (session: Session, line: string, esmtp: boolean): Reply | null => {
  const name = argumentOf(line)
  if (!HELO_NAME.test(name)) return refuse(501, '5.5.4', 'syntax', 'give the name of your host')
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
  if (session.listener.tls !== null && session.tls === null) lines.push('STARTTLS')
  if (offersAuth(session) && session.user === null) lines.push('AUTH PLAIN LOGIN')
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

const limit = (text: string): Reply => refuse(421, '4.7.0', 'limit', text)

/** R-limits: what ends a session. */
export const overLimit = (session: Session, { config }: Shared): Reply | null => {
  if (session.errors >= config.limits.errors) return limit('too many errors')
  return session.noops > config.limits.noops ? limit('too many commands without mail') : null
}

/** What is no command at all (command-lines.ts). */
export const refuseLine = (kind: 'broken' | 'too-long' | 'endless'): Answer => {
  if (kind === 'broken') return refuse(500, '5.5.2', 'line-ends', 'commands are UTF-8 text and end with CRLF')
  if (kind === 'too-long') return refuse(500, '5.5.2', 'limit', 'line too long')
  return { ...limit('line too long'), close: true }
}

/**
 * Instead of the greeting: R-limits, R-shutdown, and what refuseClient says.
 * @param met the limit that this connection met
 */
export const refuseConnection = (met: 'connections' | 'connectionsPerClient' | null, shared: Shared): Reply | null => {
  if (met === 'connections') return refuse(421, '4.3.2', 'limit', 'too many connections, try again later')
  if (met !== null) return limit('too many connections from your address')
  return shared.isDraining() ? SHUTTING_DOWN : refuseClient(shared.readiness())
}

/** At the greeting: a full store still takes clients (452 to MAIL later), one that keeps nothing does not. */
const refuseClient = (readiness: Readiness): Reply | null => {
  const refused = readiness.kind === 'full' ? null : refuseToStore(readiness)
  return refused === null ? null : { ...refused, code: 421 }
}

/** RFC 3207 §4. */
export const refuseStartTls = (session: Session, line: string): Reply | null => {
  if (session.listener.tls === null) return refuse(502, '5.5.1', 'syntax', 'STARTTLS is not offered')
  if (session.tls !== null) return refuse(503, '5.5.1', 'order', 'TLS is active already')
  return line.trim().length > 8 ? refuse(501, '5.5.4', 'syntax', 'STARTTLS takes no arguments') : null
}

/** RFC 4954 §4. */
export const refuseAuth = (session: Session): Reply | null => {
  if (session.listener.auth === 'off') return refuse(502, '5.5.1', 'auth', 'AUTH is not offered')
  if (!offersAuth(session)) return refuse(538, '5.7.11', 'auth', 'AUTH needs STARTTLS first')
  return session.esmtp && session.transaction === null && session.user === null
    ? null
    : refuse(503, '5.5.1', 'order', 'AUTH comes once, after EHLO, before MAIL')
}

const mail: Handler = (session, line, shared) => {
  if (session.helo === null) return HELO_FIRST
  if (session.transaction !== null) return NESTED
  if (session.listener.auth === 'required' && session.user === null) return AUTH_FIRST
  const parsed = parseMailCommand(line)
  if (parsed.kind === 'error') return refuseArguments(parsed.reply)
  const { command } = parsed
  // RFC 5321 §2.2.1: no extensions without EHLO.
  if (!session.esmtp && line.trimEnd().at(-1) !== '>') return refuse(555, '5.5.4', 'parameter', 'parameters need EHLO')
  const { sizeBytes } = shared.config.limits
  if ((command.sizeBytes ?? 0) > sizeBytes) {
    return refuse(552, '5.3.4', 'size', `messages may have at most ${sizeBytes} bytes`)
  }
  if (shared.isDraining()) return { ...SHUTTING_DOWN, close: true }
  const refused = refuseToStore(shared.readiness())
  if (refused !== null) return refused
  session.transaction = {
    from: command.path.kind === 'null' ? '' : command.path.mailbox.text,
    mail: command,
    recipients: new Map(),
    destinations: new Map(),
    named: 0,
    firstNamed: '',
    refusedRecipients: false,
  }
  return SENDER_OK
}

const rcpt: Handler = (session, line, shared) => {
  const { transaction } = session
  if (transaction === null) return MAIL_FIRST
  const reply = takeRecipient(transaction, line, session, shared)
  if (reply.code !== 250) transaction.refusedRecipients = true
  return reply
}

const data: Handler = (session, line, shared) => {
  const { transaction } = session
  if (line.trim().length > 4) return refuse(501, '5.5.4', 'syntax', 'DATA takes no arguments')
  if (transaction === null) return MAIL_FIRST
  // RFC 2920 §3.1: in a pipelined group DATA may follow refused RCPTs.
  if (transaction.named === 0) return transaction.refusedRecipients ? NO_RECIPIENTS : RCPT_FIRST
  session.transaction = null
  return { ...GO_AHEAD, reception: createReception(session, transaction, shared) }
}

const rset: Handler = (session) => {
  session.transaction = null
  return { ...ok(250, '2.0.0', 'forgotten'), noop: true }
}

const noop: Handler = () => ({ ...ok(250, '2.0.0', 'ok'), noop: true })

/** RFC 5321 §7.3: who is here is nobody's business; RCPT will tell. */
const vrfy: Handler = (_, line) =>
  argumentOf(line) === ''
    ? refuse(501, '5.5.4', 'syntax', 'VRFY needs an address')
    : { ...ok(252, '2.0.0', 'send some mail, I will try'), noop: true }

const expn: Handler = () => refuse(502, '5.5.1', 'syntax', 'EXPN is not done here')

const help: Handler = () => ({
  ...ok(214, '2.0.0', 'HELO EHLO STARTTLS AUTH MAIL RCPT DATA RSET NOOP VRFY HELP QUIT, as in RFC 5321'),
  noop: true,
})

const quit: Handler = () => ({ ...ok(221, '2.0.0', 'bye'), close: true })

const http: Handler = () => ({ ...limit('this is SMTP, not HTTP'), close: true })

/** Every verb but STARTTLS and AUTH, which concern the connection itself. What is not here does not exist. */
const HANDLERS: ReadonlyMap<string, Handler> = new Map([
  ['HELO', helo],
  ['EHLO', ehlo],
  ['MAIL', mail],
  ['RCPT', rcpt],
  ['DATA', data],
  ['RSET', rset],
  ['NOOP', noop],
  ['VRFY', vrfy],
  ['EXPN', expn],
  ['HELP', help],
  ['QUIT', quit],
  // A web page that was made to speak to this port.
  ...['GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE', 'PATCH'].map((verb): [string, Handler] => [
    verb,
    http,
  ]),
])

/** @param verb in upper case */
export const handleCommand = (verb: string, line: string, session: Session, shared: Shared): Answer => {
  try {
    return HANDLERS.get(verb)?.(session, line, shared) ?? UNKNOWN
  } catch (error) {
    shared.log.error('a command could not be handled', { error, verb, ...clientFields(session) })
    return BROKEN
  }
}
