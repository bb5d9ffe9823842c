/** The commands of a transaction, parsed by the grammar: MAIL and RCPT with their parameters (RFC 2033, 1870, 6152, 6531, 3461). */
import { findPathEnd, parseOrcpt, parsePath } from '@sluice/smtp'
import { type LmtpReply, REPLIES } from './reply.ts'

export type Parsed<T> = { kind: 'ok'; value: T } | { kind: 'refused'; reply: LmtpReply }

const refused = (reply: LmtpReply): { kind: 'refused'; reply: LmtpReply } => ({ kind: 'refused', reply })

/** `MAIL FROM:<path> KEY=VALUE …` → path and parameters; null when it is not of this form. */
const split = (command: string, verb: RegExp): { path: string; parameters: Map<string, string> } | null => {
  const text = command.replace(verb, '').trim()
  const end = findPathEnd(text)
  if (text === command || end === -1 || (end < text.length && text[end] !== ' ')) return null
  const parameters = new Map<string, string>()
  for (const word of text.slice(end).split(/ +/).filter(Boolean)) {
    const equals = word.indexOf('=')
    parameters.set((equals === -1 ? word : word.slice(0, equals)).toUpperCase(), equals === -1 ? '' : word.slice(equals + 1))
  }
  return { path: text.slice(0, end), parameters }
}

const check = (parameters: Map<string, string>, known: Record<string, RegExp>): LmtpReply | null => {
  for (const [key, value] of parameters) {
    if (!Object.hasOwn(known, key)) return REPLIES.unknownParameter
    if (!known[key]!.test(value)) return REPLIES.badParameter
  }
  return null
}

const MAIL_PARAMETERS = {
  SIZE: /^\d{1,20}$/,
  BODY: /^(7BIT|8BITMIME)$/i,
  SMTPUTF8: /^$/,
  RET: /^(FULL|HDRS)$/i,
  ENVID: /^[\x21-\x7e]{1,200}$/,
}
const RCPT_PARAMETERS = { NOTIFY: /^[A-Z,]{1,60}$/i, ORCPT: /^.{1,500}$/s }

export const parseMail = (command: string): Parsed<{ from: string; sizeBytes: number }> => {
  const parts = split(command, /^MAIL FROM:/i)
  const path = parts === null ? null : parsePath(parts.path, { utf8: true })
  if (parts === null || path === null || path.kind === 'postmaster') return refused(REPLIES.badSender)
  const bad = check(parts.parameters, MAIL_PARAMETERS)
  if (bad !== null) return refused(bad)
  const from = path.kind === 'null' ? '' : path.mailbox.text
  return { kind: 'ok', value: { from, sizeBytes: Number(parts.parameters.get('SIZE') ?? 0) } }
}

/** @returns `orcpt` as Recipient.orcpt has it, `rfc822;user@example.org`; null when it is not given */
export const parseRcpt = (command: string): Parsed<{ address: string; orcpt: string | null }> => {
  const parts = split(command, /^RCPT TO:/i)
  const path = parts === null ? null : parsePath(parts.path, { utf8: true })
  if (parts === null || path === null || path.kind === 'null') return refused(REPLIES.badRecipient)
  const bad = check(parts.parameters, RCPT_PARAMETERS)
  if (bad !== null) return refused(bad)
  const given = parts.parameters.get('ORCPT')
  const orcpt = given === undefined ? null : parseOrcpt(given)
  if (given !== undefined && orcpt === null) return refused(REPLIES.badParameter)
  return { kind: 'ok', value: { address: path.kind === 'postmaster' ? 'postmaster' : path.mailbox.text, orcpt } }
}
