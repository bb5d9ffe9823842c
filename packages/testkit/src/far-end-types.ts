import type { TestCertificate } from './certificate.ts'

export type FarEndStage =
  | 'connect'
  | 'greeting'
  | 'ehlo'
  | 'helo'
  | 'starttls'
  | 'auth'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'content'
  | 'dot'
  | 'rset'

export type FarEndOptions = {
  /** Default smtp. */
  protocol?: 'smtp' | 'lmtp'
  /** Default 127.0.0.1 and a free port. */
  host?: string
  port?: number
  /** Name in greeting and EHLO; default far.test. */
  hostname?: string
  /** EHLO keywords; default `DEFAULT_EXTENSIONS`. STARTTLS and AUTH are added by `tls` and `auth`. */
  extensions?: string[]
  /** Said at a stage instead of what is right (`content`: while it comes in), without CRLF at the end; lines joined by CRLF. */
  replies?: Partial<Record<FarEndStage, string>>
  /** The connection is destroyed when this stage is reached, without a reply. */
  dropAt?: FarEndStage
  /** No reply at this stage, for ever. */
  silentAt?: FarEndStage
  /** `starttls` and `implicit` work; `refused`: 454 to STARTTLS; `garbage`: 220, then no TLS; `drop`: 220, then the end. */
  tls?: 'off' | 'starttls' | 'implicit' | 'refused' | 'garbage' | 'drop'
  /** Needed for `starttls` and `implicit`. */
  certificate?: TestCertificate
  /** MAIL is refused (530) without these; offered in the clear as well when tls is off. */
  auth?: { user: string; password: string; mechanisms?: string }
  /** Connections at once; beyond it the greeting is 421 4.7.0 too many connections. */
  maxConnections?: number
  /** Recipients a transaction; beyond it 452 4.5.3. */
  maxRecipients?: number
  /** After so many messages on a connection, MAIL is answered 421 and the connection closed. */
  messagesPerConnection?: number
  /** Wait before every reply, ms. */
  delayMs?: number
  /** How long `slow@` keeps its sender waiting after the dot, ms; default 1000. */
  slowMs?: number
  /** LMTP: destroy the connection after so many of the replies to the dot. */
  dropAfterReplies?: number
}

export type FarEndMessage = {
  from: string
  /** Parameters of MAIL as they came, e.g. `SIZE=2048 BODY=8BITMIME`. */
  parameters: string
  recipients: { address: string; parameters: string }[]
  /** Un-stuffed, without the final dot. */
  content: Buffer
  /** Index into `connections`. */
  connection: number
  /** ms since the epoch: when MAIL came, and when the dot was answered. */
  startedAt: number
  receivedAt: number
  tls: boolean
}

export type FarEndConnection = {
  /** Where it came from. */
  remoteAddress: string
  openedAt: number
  closedAt: number | null
  /** Command lines as they came, in order, TLS or not; AUTH continuation lines too. */
  commands: string[]
  /** Content that came without ever being ended, and so is nobody's message. */
  unfinished: Buffer | null
  tls: boolean
}

export type FarEnd = {
  host: string
  port: number
  messages: FarEndMessage[]
  connections: FarEndConnection[]
  /** Changes the behaviour from now on, on open connections too. */
  set: (options: FarEndOptions) => void
  /** Resolves once so many messages are there; rejects after `timeoutMs` (default 10 s). */
  received: (count: number, timeoutMs?: number) => Promise<FarEndMessage[]>
  /** Destroys the open connections, goes on listening. */
  dropAll: () => void
  stop: () => Promise<void>
}
