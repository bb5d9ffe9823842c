/**
 * RCPT: which mailbox is meant, whether this client may name it, and where it goes
 * (R-relay, R-alias, R-postmaster, R-duplicate, R-address).
 */
import type { Recipient } from '@sluice/contracts'
import { type Mailbox, parseRcptCommand } from '@sluice/smtp'
import { REPLIES, type Reply, refuse, refuseArguments } from '@sluice/smtp-listener'
import type { Destination } from '@sluice/spool'
import { mayRelay, type Session, type Shared, type Transaction } from './session.ts'

const RELAY_DENIED = refuse(550, '5.7.1', 'relay', 'relaying denied')

/** RFC 5321 §4.5.1: postmaster without a domain is the postmaster of this host. */
const BARE: Mailbox = { local: 'postmaster', domain: '', text: 'postmaster' }

/** `user%other@own`, `other!user@own`, `"user@other"@own`: a server behind us might relay what we would not (R-relay). */
const isRoutedLocal = (local: string): boolean => local.includes('%') || local.includes('!') || local.includes('@')

type Found = { kind: 'found'; recipients: Recipient[]; own: boolean } | { kind: 'refused'; reply: Reply }

const refused = (reply: Reply): Found => ({ kind: 'refused', reply })

const find = (mailbox: Mailbox, session: Session, { directory }: Shared): Found => {
  const resolved = directory.resolve(mailbox)
  switch (resolved.kind) {
    case 'own': {
      const routed = !mayRelay(session) && isRoutedLocal(mailbox.local) && !directory.accountExists(mailbox.text)
      return routed ? refused(RELAY_DENIED) : { kind: 'found', recipients: resolved.recipients, own: true }
    }
    case 'foreign':
      return mayRelay(session) ? { kind: 'found', recipients: [{ address: mailbox.text }], own: false } : refused(RELAY_DENIED)
    case 'unknown':
      return refused(REPLIES.noSuchRecipient)
    case 'loop':
      return refused(refuse(550, '5.4.6', 'loop', 'the aliases of this recipient lead back to themselves'))
  }
}

/**
 * RFC 3463 has X.4.4 for "unable to determine the next hop". For a foreign domain that is final: nothing will come of waiting. An
 * own domain without a route is a fault of our configuration, which somebody may be mending: temporary.
 */
const noRoute = (own: boolean): Reply =>
  own
    ? refuse(451, '4.3.5', 'route', 'no route is configured for this domain')
    : refuse(550, '5.4.4', 'route', 'no route to this domain')

const add = (transaction: Transaction, hop: Destination, recipient: Recipient): void => {
  if (transaction.recipients.has(recipient.address)) return
  transaction.recipients.set(recipient.address, recipient)
  const group = transaction.hops.get(hop)
  if (group === undefined) transaction.hops.set(hop, [recipient])
  else group.push(recipient)
}

/** @param line the whole command, `RCPT TO:<a@b> NOTIFY=…` */
export const takeRecipient = (transaction: Transaction, line: string, session: Session, shared: Shared): Reply => {
  const parsed = parseRcptCommand(line, { utf8: transaction.mail.smtputf8 })
  if (parsed.kind === 'error') return refuseArguments(parsed.reply)
  const { path, ...parameters } = parsed.command
  const mailbox = path.kind === 'mailbox' ? path.mailbox : BARE
  if (transaction.named >= shared.config.limits.recipients) return REPLIES.tooManyRecipients
  const found = find(mailbox, session, shared)
  if (found.kind === 'refused') return found.reply
  const placed: [Destination, Recipient][] = []
  for (const recipient of found.recipients) {
    const hop = shared.directory.destinationOf(recipient)
    if (hop === null) return noRoute(found.own)
    placed.push([hop, { ...recipient, ...parameters }])
  }
  for (const [hop, recipient] of placed) add(transaction, hop, recipient)
  if (transaction.named++ === 0) transaction.firstNamed = mailbox.text
  return REPLIES.recipientOk
}
