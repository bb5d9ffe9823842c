/** What a recipient, or a command, is told. The enhanced code (RFC 3463) is chosen where the reason is known. */
export type LmtpReply = { code: number; enhanced: string; text: string }

export const isRefusal = (reply: LmtpReply): boolean => reply.code >= 400

export const REPLIES = {
  unknown: { code: 550, enhanced: '5.1.1', text: 'No such account here' },
  overQuota: { code: 452, enhanced: '4.2.2', text: 'The account is over its quota' },
  diskFull: { code: 452, enhanced: '4.3.1', text: 'No room on the mailbox server' },
  failed: { code: 451, enhanced: '4.3.0', text: 'The message could not be stored, try again later' },
  loop: { code: 554, enhanced: '5.4.6', text: 'Loop: this account has had the message before (Delivered-To)' },
  tooBig: { code: 552, enhanced: '5.3.4', text: 'Message too big' },
  tooMany: { code: 452, enhanced: '4.5.3', text: 'Too many recipients in one transaction' },
  badSender: { code: 501, enhanced: '5.1.7', text: 'Bad sender address' },
  badRecipient: { code: 501, enhanced: '5.1.3', text: 'Bad recipient address' },
  badParameter: { code: 501, enhanced: '5.5.4', text: 'Bad parameter' },
  unknownParameter: { code: 555, enhanced: '5.5.4', text: 'Parameter not recognized' },
  nested: { code: 503, enhanced: '5.5.1', text: 'A transaction is open already' },
  noMail: { code: 503, enhanced: '5.5.1', text: 'MAIL first' },
  shutdown: { code: 421, enhanced: '4.3.2', text: 'Shutting down, try again in a moment' },
} as const satisfies Record<string, LmtpReply>

/** The reply for a fault of our own while writing: the peer learns whether to wait, the log learns why. */
export const replyForFault = (fault: unknown): LmtpReply => {
  const code = fault instanceof Error && 'code' in fault ? String(fault.code) : ''
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(code) ? REPLIES.diskFull : REPLIES.failed
}
