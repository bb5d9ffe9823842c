/** Replies that every listener gives alike. */
import { ok, type Reply, refuse } from './reply.ts'

const limit = (text: string): Reply => refuse(421, '4.7.0', 'limit', text)

export const REPLIES = {
  // Of the connection.
  shuttingDown: refuse(421, '4.3.2', 'shutdown', 'shutting down, try again later'),
  tooManyConnections: refuse(421, '4.3.2', 'limit', 'too many connections, try again later'),
  tooManyFromClient: limit('too many connections from your address'),
  tooManyErrors: limit('too many errors'),
  tooManyNoops: limit('too many commands without mail'),
  timedOut: refuse(421, '4.4.2', 'timeout', 'too slow, closing the connection'),
  tooEarly: refuse(554, '5.5.1', 'early-talker', 'you spoke before the greeting'),
  // X.3.5: a mistake in the set-up of a balancer bounces nobody's mail.
  noProxyHeader: refuse(421, '4.3.5', 'proxy', 'expected a PROXY header from your address'),
  untrustedProxyHeader: refuse(421, '4.3.5', 'proxy', 'no PROXY header is taken from your address'),
  internal: refuse(421, '4.3.0', 'store', 'internal error, try again later'),
  // Of lines.
  brokenLine: refuse(500, '5.5.2', 'line-ends', 'commands are UTF-8 text and end with CRLF'),
  longLine: refuse(500, '5.5.2', 'limit', 'line too long'),
  endlessLine: limit('line too long'),
  http: limit('this is SMTP, not HTTP'),
  // Of commands.
  unknown: refuse(500, '5.5.2', 'syntax', 'command not known'),
  failed: refuse(451, '4.3.0', 'store', 'internal error, try again later'),
  lhloFirst: refuse(503, '5.5.1', 'order', 'send LHLO first'),
  nested: refuse(503, '5.5.1', 'order', 'a mail transaction is under way already'),
  mailFirst: refuse(503, '5.5.1', 'order', 'send MAIL first'),
  rcptFirst: refuse(503, '5.5.1', 'order', 'send RCPT first'),
  noRecipients: refuse(554, '5.5.1', 'order', 'no valid recipients'),
  dataArguments: refuse(501, '5.5.4', 'syntax', 'DATA takes no arguments'),
  badName: refuse(501, '5.5.4', 'syntax', 'give the name of your host'),
  senderOk: ok(250, '2.1.0', 'sender ok'),
  recipientOk: ok(250, '2.1.5', 'recipient ok'),
  noSuchRecipient: refuse(550, '5.1.1', 'unknown-recipient', 'no such recipient here'),
  tooManyRecipients: refuse(452, '4.5.3', 'limit', 'too many recipients'),
  forgotten: ok(250, '2.0.0', 'forgotten'),
  goAhead: ok(354, null, 'end with <CRLF>.<CRLF>'),
  // Of messages.
  notStored: refuse(451, '4.3.0', 'store', 'the message could not be stored, try again later'),
  badLineEnds: refuse(550, '5.6.11', 'line-ends', 'bare CR, bare LF or NUL in the message'),
  endless: refuse(552, '5.3.4', 'size', 'the message is far too large'),
} as const satisfies Record<string, Reply>

export const tooLarge = (sizeBytes: number): Reply => refuse(552, '5.3.4', 'size', `messages may have at most ${sizeBytes} bytes`)
