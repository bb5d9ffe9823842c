/**
 * MAIL and RCPT with their ESMTP parameters (RFC 5321 §4.1.2, 1870, 3461, 4954, 6152, 6531). Errors come as the reply to give.
 * Each parameter stands once at most; unknown ones are refused (R-order: 555 5.5.4).
 */
import { type Notify, notifySchema, type Reply } from '@sluice/contracts'
import { needsUtf8 } from './mailbox.ts'
import { findPathEnd, type Path, parsePath } from './path.ts'
import { decodeXtext, parseOrcpt } from './xtext.ts'

export type MailCommand = {
  path: Exclude<Path, { kind: 'postmaster' }>
  /** SIZE= in bytes. */
  sizeBytes?: number
  body?: '7bit' | '8bit'
  smtputf8: boolean
  ret?: 'FULL' | 'HDRS'
  /** ENVID, xtext decoded. */
  envid?: string
  /** AUTH=, xtext decoded; `<>` when the client does not vouch. */
  auth?: string
}

export type RcptCommand = {
  path: Exclude<Path, { kind: 'null' }>
  notify?: Notify[]
  /** `rfc822;user@example.org`, decoded. */
  orcpt?: string
}

export type Parsed<T> = { kind: 'ok'; command: T } | { kind: 'error'; reply: Reply }

type Failure = { kind: 'error'; reply: Reply }

const failure = (code: number, enhanced: string, text: string): Failure => ({
  kind: 'error',
  reply: { code, enhanced, text: [text] },
})
const badValue = (name: string): Failure => failure(501, '5.5.4', `Invalid value of ${name}`)

type Line = { path: string; parameters: Map<string, string | null> }

/** `<path> KEY=value KEY` behind the colon; one space before the path is forgiven, as many clients send it. */
const splitLine = (line: string, verb: RegExp): Line | Failure => {
  const head = verb.exec(line)
  if (head === null) return failure(501, '5.5.4', 'Syntax error')
  const rest = line.slice(head[0].length)
  const end = findPathEnd(rest)
  if (end === -1) return failure(501, verb === MAIL ? '5.1.7' : '5.1.3', 'Syntax error: the address needs angle brackets')
  const parameters = new Map<string, string | null>()
  const tail = rest.slice(end)
  if (tail !== '' && !/^ /.test(tail)) return failure(501, '5.5.4', 'Syntax error behind the address')
  for (const word of tail.split(' ').filter((part) => part !== '')) {
    const match = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^=\p{Cc}]+))?$/u.exec(word)
    if (match === null) return failure(501, '5.5.4', 'Syntax error in the parameters')
    const key = match[1]!.toUpperCase()
    if (parameters.has(key)) return failure(501, '5.5.4', `${key} stands twice`)
    parameters.set(key, match[2] ?? null)
  }
  return { path: rest.slice(0, end), parameters }
}

const MAIL = /^MAIL FROM:[ \t]?/i
const RCPT = /^RCPT TO:[ \t]?/i

type Setter<T> = (command: T, value: string | null, utf8: boolean) => Failure | null

const setBody: Setter<MailCommand> = (command, value) => {
  const body = value?.toUpperCase()
  if (body !== '7BIT' && body !== '8BITMIME') return badValue('BODY')
  command.body = body === '7BIT' ? '7bit' : '8bit'
  return null
}

const setSize: Setter<MailCommand> = (command, value) => {
  if (value === null || !/^[0-9]{1,20}$/.test(value)) return badValue('SIZE')
  command.sizeBytes = Number(value)
  return null
}

const setRet: Setter<MailCommand> = (command, value) => {
  const ret = value?.toUpperCase()
  if (ret !== 'FULL' && ret !== 'HDRS') return badValue('RET')
  command.ret = ret
  return null
}

/** RFC 3461 §4.4: at most 100 characters. */
const setEnvid: Setter<MailCommand> = (command, value) => {
  const envid = value === null || value.length > 100 ? null : decodeXtext(value)
  if (envid === null) return badValue('ENVID')
  command.envid = envid
  return null
}

const setAuth: Setter<MailCommand> = (command, value) => {
  const auth = value === null || value.length > 500 ? null : decodeXtext(value)
  if (auth === null) return badValue('AUTH')
  command.auth = auth
  return null
}

const setSmtputf8: Setter<MailCommand> = (command, value) => {
  if (value !== null) return badValue('SMTPUTF8')
  command.smtputf8 = true
  return null
}

const MAIL_SETTERS = new Map<string, Setter<MailCommand>>([
  ['SIZE', setSize],
  ['BODY', setBody],
  ['SMTPUTF8', setSmtputf8],
  ['RET', setRet],
  ['ENVID', setEnvid],
  ['AUTH', setAuth],
])

const setNotify: Setter<RcptCommand> = (command, value) => {
  const words = (value ?? '').toUpperCase().split(',')
  const notify: Notify[] = []
  for (const word of words) {
    const known = notifySchema.safeParse(word)
    if (!known.success || (known.data === 'NEVER' && words.length > 1)) return badValue('NOTIFY')
    if (!notify.includes(known.data)) notify.push(known.data)
  }
  command.notify = notify
  return null
}

const setOrcpt: Setter<RcptCommand> = (command, value, utf8) => {
  const orcpt = value === null || (needsUtf8(value) && !utf8) ? null : parseOrcpt(value)
  if (orcpt === null) return badValue('ORCPT')
  command.orcpt = orcpt
  return null
}

const RCPT_SETTERS = new Map<string, Setter<RcptCommand>>([
  ['NOTIFY', setNotify],
  ['ORCPT', setOrcpt],
])

const apply = <T>(command: T, line: Line, setters: Map<string, Setter<T>>, utf8: boolean): Parsed<T> => {
  for (const [key, value] of line.parameters) {
    const set = setters.get(key)
    if (set === undefined) return failure(555, '5.5.4', `Unknown parameter ${key}`)
    const failed = set(command, value, utf8)
    if (failed !== null) return failed
  }
  return { kind: 'ok', command }
}

/** RFC 6531 §3.5: a UTF-8 address without SMTPUTF8 has a code of its own. */
const badAddress = (path: string, utf8: boolean, enhanced: string, words: string): Failure =>
  !utf8 && needsUtf8(path) && parsePath(path, { utf8: true }) !== null
    ? failure(553, '5.6.7', 'An address in UTF-8 needs SMTPUTF8')
    : failure(501, enhanced, words)

/** The whole line `MAIL FROM:<a@b> SIZE=…`, without its CRLF. UTF-8 is taken when the line says SMTPUTF8. */
export const parseMailCommand = (line: string): Parsed<MailCommand> => {
  const parts = splitLine(line, MAIL)
  if ('kind' in parts) return parts
  const utf8 = parts.parameters.has('SMTPUTF8')
  const path = parsePath(parts.path, { utf8 })
  if (path === null || path.kind === 'postmaster') return badAddress(parts.path, utf8, '5.1.7', 'Bad sender address syntax')
  return apply({ path, smtputf8: false }, parts, MAIL_SETTERS, utf8)
}

/**
 * The whole line `RCPT TO:<a@b> NOTIFY=…`, without its CRLF.
 *
 * @param options.utf8 MAIL said SMTPUTF8
 */
export const parseRcptCommand = (line: string, options: { utf8: boolean }): Parsed<RcptCommand> => {
  const parts = splitLine(line, RCPT)
  if ('kind' in parts) return parts
  const path = parsePath(parts.path, options)
  if (path === null || path.kind === 'null') return badAddress(parts.path, options.utf8, '5.1.3', 'Bad recipient address syntax')
  return apply({ path }, parts, RCPT_SETTERS, options.utf8)
}
