/**
 * All failure policy in one place (R-outcome): what happened in an attempt goes in, one outcome per recipient comes out.
 *
 * - Only replies to MAIL, RCPT, DATA and the final dot concern the message, and only those can bounce it. A refusal before
 *   that (connection, greeting, EHLO, STARTTLS, AUTH), a 421 anywhere and a lost connection concern the host: deferred.
 * - What is unknown or cannot be understood is temporary.
 * - A connection lost after the final dot leaves an unknown outcome: deferred, `unknown: true`.
 * - Besides replies, only what cannot change by waiting bounces: a domain that does not exist or takes no mail, a message that
 *   the far end says it cannot carry, a local account that is gone.
 */
import type { Cause, Outcome, Reply, Stage } from '@sluice/contracts'
import { replyText } from './reply.ts'

/** What happened. `host` is the name or address of the far end; reasons name it. */
export type Happening =
  /** A reply that ends the matter for a recipient; `reply: null` when what came could not be understood. */
  | {
      kind: 'reply'
      stage: Stage
      host: string
      reply: Reply | null
      /** The far end is this system's own mailbox: 5.1.1 means that the account is gone (R-gone). */
      ownMailbox?: boolean
      /** Delivered to a host without DSN: a success report says `relayed` (R-dsn-pass). */
      relayed?: boolean
      /** Recipients taken before this one in the same transaction; 452 after at least one may mean "too many" (R-rcpt-split). */
      acceptedBefore?: number
    }
  /** No reply: refused connection, lost connection, time-out, failed handshake. `what` in words: "connection timed out". */
  | { kind: 'lost'; stage: Stage; host: string; what: string }
  /** The far end's SIZE is smaller than the message (RFC 1870 §6.1). */
  | { kind: 'too-large'; host: string; sizeBytes: number; limitBytes: number }
  /** UTF-8 addresses or headers, and no SMTPUTF8 (R-utf8). */
  | { kind: 'needs-utf8'; host: string }
  /** 8-bit content, and no 8BITMIME (R-8bit). */
  | { kind: 'needs-8bit'; host: string }
  /** DNS said (R-mx): null MX, no such domain, an own host left alone, only addresses that are not allowed, a temporary failure. */
  | { kind: 'dns'; answer: 'null-mx' | 'no-domain' | 'no-host' | 'own-host' | 'private' | 'failure'; domain: string }
  /** The config has no route for this destination any more. */
  | { kind: 'no-route'; domain: string }
  /** The local account was removed before the mail could be delivered. */
  | { kind: 'account-gone'; address: string }
  /** Our own side failed while the task was in hand; `afterDot`: the content may have ended already. */
  | { kind: 'crash'; afterDot: boolean }
  /** The stored content could not be read whole (R-short). */
  | { kind: 'unreadable'; host: string; what: string }

export type Judgement = {
  outcome: Outcome
  /** `host`: the next host may be tried, and the site is told; `message`: no other host will do better. */
  concerns: 'message' | 'host'
  /** The rest goes in the next transaction at once and this is no attempt (R-rcpt-split). */
  tooManyRecipients: boolean
}

const INTERRUPTED = {
  before: 'The delivery was interrupted',
  after: 'The delivery was interrupted when the content was about to end: the far end may have the message',
}

const MESSAGE_STAGES: ReadonlySet<Stage> = new Set<Stage>(['mail', 'rcpt', 'data', 'dot'])
/** About our session, not about the message, wherever they come: authentication or encryption wanted (RFC 4954 §6, RFC 3207 §4). */
const SESSION_CODES: ReadonlySet<number> = new Set([530, 534, 535, 538])
const ACCOUNT_GONE: ReadonlySet<string> = new Set(['5.1.1', '5.1.6', '5.2.1'])

const REFUSED: Record<Stage, string> = {
  route: 'refused the message',
  resolve: 'refused the message',
  connect: 'refused the connection',
  greeting: 'refused the connection',
  ehlo: 'refused the greeting',
  tls: 'refused to encrypt',
  auth: 'refused the login',
  mail: 'refused the sender',
  rcpt: 'refused the recipient',
  data: 'refused the message',
  content: 'refused the message',
  dot: 'refused the message',
  crash: 'refused the message',
}

type Fate = { stage: Stage; status: string; reason: string; reply?: Reply | null }

const defer = (concerns: Judgement['concerns'], fate: Fate, unknown = false): Judgement => ({
  outcome: { kind: 'deferred', status: fate.status, reason: fate.reason, reply: fate.reply ?? null, stage: fate.stage, unknown },
  concerns,
  tooManyRecipients: false,
})

const bounce = (cause: Cause, fate: Fate): Judgement => ({
  outcome: { kind: 'bounced', status: fate.status, reason: fate.reason, reply: fate.reply ?? null, stage: fate.stage, cause },
  concerns: 'message',
  tooManyRecipients: false,
})

/** The reply's enhanced code in the class the outcome has (a 552 that counts as 452 turns 5.2.2 into 4.2.2). */
const statusOf = (reply: Reply, kind: '2' | '4' | '5'): string =>
  reply.enhanced === undefined ? `${kind}.0.0` : `${kind}${reply.enhanced.slice(1)}`

/** RFC 5321 §4.5.3.1.10: 452, and 552 of older hosts, for one recipient more than the far end takes at once. */
const isTooMany = (reply: Reply, acceptedBefore: number): boolean => {
  if (acceptedBefore === 0 || (reply.code !== 452 && reply.code !== 552)) return false
  return reply.enhanced === undefined
    ? /too many (?:recipients|rcpt)/i.test(reply.text.join(' '))
    : reply.enhanced.endsWith('.5.3')
}

type ReplyCase = Extract<Happening, { kind: 'reply' }>

const judgeUnclear = (given: ReplyCase): Judgement => {
  const said = given.reply === null ? 'something that is no SMTP reply' : replyText(given.reply)
  const reason = `${given.host} answered what makes no sense here: ${said}`
  const afterDot = given.stage === 'dot'
  const concerns = MESSAGE_STAGES.has(given.stage) && given.reply !== null ? 'message' : 'host'
  return defer(concerns, { stage: given.stage, status: '4.5.0', reason, reply: given.reply }, afterDot && given.reply === null)
}

/** A refusal that the message itself did not cause. */
const judgeHostRefusal = (given: ReplyCase, reply: Reply): Judgement => {
  const what = reply.code === 421 ? 'is not available now' : REFUSED[given.stage]
  return defer('host', {
    stage: given.stage,
    status: statusOf(reply, '4'),
    reason: `${given.host} ${what}: ${replyText(reply)}`,
    reply,
  })
}

const isTemporary = (given: ReplyCase, reply: Reply): boolean =>
  reply.code < 500 || reply.code === 503 || (given.stage === 'rcpt' && reply.code === 552)

const judgeMessageRefusal = (given: ReplyCase, reply: Reply): Judgement => {
  const { stage, host } = given
  if (isTemporary(given, reply)) {
    const words = `${host} ${REFUSED[stage]} for now: ${replyText(reply)}`
    const judgement = defer('message', { stage, status: statusOf(reply, '4'), reason: words, reply })
    return { ...judgement, tooManyRecipients: stage === 'rcpt' && isTooMany(reply, given.acceptedBefore ?? 0) }
  }
  const status = statusOf(reply, '5')
  const gone = given.ownMailbox === true && (stage === 'rcpt' || stage === 'dot') && ACCOUNT_GONE.has(status)
  return bounce(gone ? 'account-gone' : 'refused', {
    stage,
    status,
    reason: `${host} ${REFUSED[stage]}: ${replyText(reply)}`,
    reply,
  })
}

const judgeReply = (given: ReplyCase): Judgement => {
  const { reply, stage } = given
  if (reply === null) return judgeUnclear(given)
  if (reply.code === 421) return judgeHostRefusal(given, reply)
  if (stage === 'dot' && reply.code >= 200 && reply.code < 300) {
    const outcome: Outcome = { kind: 'delivered', status: statusOf(reply, '2'), reply, relayed: given.relayed ?? false }
    return { outcome, concerns: 'message', tooManyRecipients: false }
  }
  if (reply.code < 400) return judgeUnclear(given)
  if (!MESSAGE_STAGES.has(stage) || (stage === 'mail' && SESSION_CODES.has(reply.code))) return judgeHostRefusal(given, reply)
  return judgeMessageRefusal(given, reply)
}

const LOST_STATUS: Partial<Record<Stage, string>> = {
  connect: '4.4.1',
  resolve: '4.4.3',
  route: '4.4.4',
  tls: '4.7.5',
  auth: '4.7.0',
}

const judgeLost = (given: Extract<Happening, { kind: 'lost' }>): Judgement => {
  const { stage, host, what } = given
  const afterDot = stage === 'dot'
  const tail = afterDot ? '; whether it took the message is not known' : ''
  const status = LOST_STATUS[stage] ?? '4.4.2'
  return defer('host', { stage, status, reason: `${host}: ${what}${tail}` }, afterDot)
}

const judgeDns = ({ answer, domain }: Extract<Happening, { kind: 'dns' }>): Judgement => {
  const fate = (status: string, reason: string): Fate => ({ stage: 'resolve', status, reason })
  switch (answer) {
    case 'null-mx':
      return bounce('unreachable', fate('5.1.10', `${domain} says in the DNS that it takes no mail (null MX)`))
    case 'no-domain':
      return bounce('unreachable', fate('5.1.2', `The domain ${domain} does not exist`))
    case 'no-host':
      return bounce('unreachable', fate('5.1.2', `The domain ${domain} names no host for its mail`))
    case 'own-host':
      return bounce('unreachable', fate('5.4.6', `The DNS sends mail for ${domain} back to this host: a loop`))
    case 'private':
      return bounce('unreachable', fate('5.4.4', `The mail hosts of ${domain} have private addresses only`))
    case 'failure':
      return defer('host', fate('4.4.3', `The DNS gave no answer for ${domain}`))
  }
}

/** Too large, or of a kind that the far end cannot carry: no attempt would end otherwise. */
const judgeUnfit = (given: Extract<Happening, { kind: 'too-large' | 'needs-utf8' | 'needs-8bit' }>): Judgement => {
  const { host } = given
  if (given.kind === 'too-large') {
    const reason = `${host} takes messages of at most ${given.limitBytes} bytes; this one has ${given.sizeBytes}`
    return bounce('refused', { stage: 'mail', status: '5.3.4', reason })
  }
  return given.kind === 'needs-utf8'
    ? bounce('refused', { stage: 'mail', status: '5.6.7', reason: `${host} takes no addresses or headers in UTF-8 (SMTPUTF8)` })
    : bounce('refused', { stage: 'mail', status: '5.6.3', reason: `${host} takes no 8-bit content (8BITMIME)` })
}

/** The outcome of one recipient in one attempt, and whom it concerns. Pure and total. */
export const judge = (given: Happening): Judgement => {
  switch (given.kind) {
    case 'reply':
      return judgeReply(given)
    case 'lost':
      return judgeLost(given)
    case 'too-large':
    case 'needs-utf8':
    case 'needs-8bit':
      return judgeUnfit(given)
    case 'dns':
      return judgeDns(given)
    case 'no-route':
      return defer('message', { stage: 'route', status: '4.4.4', reason: `There is no route for ${given.domain}` })
    case 'account-gone':
      return bounce('account-gone', {
        stage: 'route',
        status: '5.1.1',
        reason: `The account ${given.address} does not exist any more`,
      })
    case 'crash':
      return defer(
        'message',
        { stage: 'crash', status: '4.3.0', reason: INTERRUPTED[given.afterDot ? 'after' : 'before'] },
        given.afterDot,
      )
    case 'unreadable':
      return defer('message', {
        stage: 'content',
        status: '4.3.0',
        reason: `The delivery to ${given.host} was stopped: ${given.what}`,
      })
  }
}

/**
 * The end of the retry schedule: the last deferral becomes final (R-causes: nobody took the mail in time). The status is
 * 4.4.7, as RFC 3463 §3.5 has it: a sender that counts hard failures should not count this one.
 */
export const expire = (last: Extract<Outcome, { kind: 'deferred' }>): Extract<Outcome, { kind: 'bounced' }> => ({
  kind: 'bounced',
  status: '4.4.7',
  reason: `The message was not taken in time. The last attempt ended so: ${last.reason}`,
  reply: last.reply,
  stage: last.stage,
  cause: 'unreachable',
})
