/**
 * nodemailer's SMTPConnection as it is inside. Its version is pinned exactly; smtp-connection.test.ts fails when an upgrade moves
 * what smtp-client.ts builds on.
 */
import type { Socket } from 'node:net'
import SMTPConnection, { type SMTPConnectionOptions } from 'nodemailer/lib/smtp-connection'

type Action = (text: string) => void

/** The parts of the library that its types leave out and that smtp-client.ts overrides or uses. */
export interface Internals {
  _socket: Socket | false | null
  _responseQueue: string[]
  _responsePartial: boolean
  _responseActions: Action[]
  _supportedAuth: string[]
  _destroyed: boolean
  lastServerResponse: string | false
  _clearPhase(): void
  _remainingSetupTime(): number
  _sendCommand(line: string, logged?: string): void
  _processResponse(): void
  _parseEhloExtensions(text: string): void
  _actionEHLO(text: string): void
  _upgradeConnection(callback: (error: Error | null, secured?: boolean) => void): void
  _onConnect(): void
  _onError(error: Error, type: string, response: string | false, command: string): void
  _onClose(): void
  _destroy(): void
}
/** SMTPConnection with all its parts in view. */
export const OpenedConnection = SMTPConnection as unknown as new (options: SMTPConnectionOptions) => SMTPConnection & Internals

const WORDS: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection closed',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'network unreachable',
}
const networkWords = (error: Error): string | undefined => {
  const { code, originalCode } = error as { code?: string; originalCode?: string }
  return WORDS[code ?? ''] ?? WORDS[originalCode ?? '']
}

/** The network failed, not the handshake over it. */
export const isNetworkError = (error: Error): boolean => networkWords(error) !== undefined

/** Characters; the library's messages quote what the far end sent, whatever it was. */
const MOST_WORDS = 500

/** What happened, for reasons and transcripts: one line, in bounds, no control characters. */
export const inWords = (error: Error): string =>
  networkWords(error) ?? error.message.replace(/\p{Cc}+/gu, ' ').slice(0, MOST_WORDS)
