export { formatDate, formatHeader, oneLine, quoteComment, quoteHeaderValue } from './header-text.ts'
export {
  countHeaders,
  countReceived,
  findHeaderEnd,
  firstHeader,
  type HeaderField,
  hasEightBit,
  headerFields,
  removeHeaders,
  splitContent,
} from './headers.ts'
export { type Mailbox, needsUtf8, parseDomain, parseMailbox, sameMailbox } from './mailbox.ts'
export { expire, type Happening, type Judgement, judge } from './outcome.ts'
export { type MailCommand, type Parsed, parseMailCommand, parseRcptCommand, type RcptCommand } from './parameters.ts'
export { findPathEnd, type Path, parsePath } from './path.ts'
export { addressMatcher, anyOf, type Matcher, nameMatcher, textMatcher } from './patterns.ts'
export { REDACTED, redactCommand, redactTranscript } from './redact.ts'
export { formatReply, parseReply, replyText } from './reply.ts'
export { faultOfPattern } from './reply-pattern.ts'
export {
  compileReplyRules,
  curbOf,
  matchReplyRule,
  type Refusal,
  type ReplyActions,
  type ReplyRule,
  type ReplyRules,
  type ReplyRuleText,
} from './reply-rules.ts'
export { decodeXtext, encodeXtext, formatOrcpt, parseOrcpt } from './xtext.ts'
