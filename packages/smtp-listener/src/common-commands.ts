/** Commands that every listener answers alike, and the name in HELO, EHLO and LHLO. R-order: what is not here does not exist. */
import type { Answer } from './dialogue.ts'
import { REPLIES } from './replies.ts'
import { ok, refuse } from './reply.ts'

/** Reads well in Received and cannot break out of it: names, address literals and bare addresses, as real clients send them. */
const HOST_NAME = /^[\p{L}\p{N}\p{M}_.:[\]-]{1,255}$/u

const argumentOf = (line: string): string => {
  const space = line.indexOf(' ')
  return space === -1 ? '' : line.slice(space + 1).trim()
}

/** The client's name in HELO, EHLO or LHLO; null when it is none. */
export const hostNameOf = (line: string): string | null => {
  const name = argumentOf(line)
  return HOST_NAME.test(name) ? name : null
}

/** RFC 5321 §7.3: who is here is nobody's business; RCPT will tell. */
const vrfy = (line: string): Answer =>
  argumentOf(line) === ''
    ? refuse(501, '5.5.4', 'syntax', 'VRFY needs an address')
    : { ...ok(252, '2.0.0', 'send some mail, I will try'), noop: true }

const http = (): Answer => ({ ...REPLIES.http, close: true })

const COMMON: ReadonlyMap<string, (line: string) => Answer> = new Map([
  ['NOOP', () => ({ ...ok(250, '2.0.0', 'ok'), noop: true })],
  ['VRFY', vrfy],
  ['EXPN', () => refuse(502, '5.5.1', 'syntax', 'EXPN is not done here')],
  ['HELP', () => ({ ...ok(214, '2.0.0', 'RFC 5321 tells of SMTP, RFC 2033 of LMTP'), noop: true })],
  ['QUIT', () => ({ ...ok(221, '2.0.0', 'bye'), close: true })],
  // A web page that was made to speak to this port.
  ...['GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE', 'PATCH'].map((verb): [string, () => Answer] => [
    verb,
    http,
  ]),
])

/** What a verb is answered that the service does not know itself. */
export const commonAnswer = (verb: string, line: string): Answer => COMMON.get(verb)?.(line) ?? REPLIES.unknown
