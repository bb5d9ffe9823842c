/** Replies, RFC 5321 §4.2, each with its own enhanced code (RFC 2034, RFC 3463): nothing here is looked up from the reply code. */
import type { Reply as ParsedReply } from '@sluice/contracts'

export type Reply = {
  code: number
  /** Null where RFC 2034 §4 wants none: greeting, HELO, EHLO, 354. */
  enhanced: string | null
  text: string | readonly string[]
  /** Why, for logs and counters; a closed set. Left out for replies that are no rejection. */
  reason?: RejectionReason
}

/** Values of the label `reason` of rejections. */
export const REJECTION_REASONS = [
  'syntax',
  'order',
  'parameter',
  'address',
  'relay',
  'unknown-recipient',
  'quota',
  'loop',
  'route',
  'size',
  'limit',
  'line-ends',
  'utf8',
  'auth',
  'tls',
  'store',
  'full',
  'away',
  'unsafe',
  'shutdown',
  'early-talker',
  'proxy',
  'timeout',
] as const
export type RejectionReason = (typeof REJECTION_REASONS)[number]

export const ok = (code: number, enhanced: string | null, text: string | readonly string[]): Reply => ({ code, enhanced, text })

export const refuse = (code: number, enhanced: string, reason: RejectionReason, text: string): Reply => ({
  code,
  enhanced,
  text,
  reason,
})

/** What @sluice/smtp says against the arguments of MAIL or RCPT. */
export const refuseArguments = ({ code, enhanced = '5.5.4', text }: ParsedReply): Reply => {
  const reason = enhanced === '5.6.7' ? 'utf8' : enhanced.startsWith('5.1.') ? 'address' : 'parameter'
  return refuse(code, enhanced, reason, text.join(' '))
}

/** Text comes from our own sources; what a client named was parsed before. Control characters are taken out all the same. */
const clean = (text: string): string => text.replace(/\p{Cc}/gu, ' ')

/** The lines as they go over the wire, CRLF included. */
export const formatReply = ({ code, enhanced, text }: Reply): string => {
  const tail = enhanced === null ? '' : `${enhanced} `
  if (typeof text === 'string') return `${code} ${tail}${clean(text)}\r\n`
  const last = text.length - 1
  return text.map((line, i) => `${code}${i === last ? ' ' : '-'}${tail}${clean(line)}\r\n`).join('')
}

/** One line for logs: `550 5.1.1 no such recipient here`. */
export const replyLine = ({ code, enhanced, text }: Reply): string => `${code} ${enhanced ?? ''} ${text}`
