/**
 * One message on its way in, between DATA and the reply to the final dot. Content streams into the content store as it comes, at
 * the store's pace; the header is held (at most 256 KiB) to count hops and to put Received before it.
 *
 * - 250 goes out only when `accept` has made envelope and content durable. Whatever fails before leaves nothing behind
 *   that will be delivered; a client that vanishes leaves nothing either.
 * - A message that is refused is read to its end all the same, and not stored (R-size, R-smuggle).
 */
import { isAscii, isUtf8 } from 'node:buffer'
import type { ContentWriter, StagedContent } from '@sluice/content-store'
import { type Envelope, PAYLOAD_VERSION, type Recipient } from '@sluice/contracts'
import { homeNetwork } from '@sluice/runtime'
import { needsUtf8 } from '@sluice/smtp'
import { ok, REPLIES, type Reception, type Reply, refuse, tooLarge } from '@sluice/smtp-listener'
import { type Destination, StoreError } from '@sluice/spool'
import { byClass, type ClassFields, classFields, NO_FIELDS } from './classes.ts'
import { createHeaderScanner, type HeaderScanner } from './headers.ts'
import { abandonReception, endReception, type ReceptionTrace, traceAdmission, traceReception } from './reception-trace.ts'
import { clientFields, mayRelay, type Session, type Shared, type Transaction } from './session.ts'
import {
  type Arrival,
  clientOf,
  messageIdOf,
  missingFields,
  protocolOf,
  receivedField,
  withoutBlindCopies,
} from './trace-headers.ts'

/** Bytes of header that are held; Postfix takes 100 KiB. */
const MAX_HEADER_BYTES = 256 * 1024
/** Fields whose places are held; real mail has some dozens. A header of nothing but `a:` would take many times its bytes. */
const MAX_HEADER_FIELDS = 5000

const TOO_LONG_HEADER = refuse(552, '5.3.4', 'size', 'the header is too long')
const TOO_MANY_HOPS = refuse(554, '5.4.6', 'loop', 'too many hops, this looks like a loop')

type Intake = {
  session: Session
  transaction: Transaction
  shared: Shared
  arrival: Arrival
  writer: ContentWriter
  scanner: HeaderScanner
  /** What has come of the header, and what came with it. */
  head: Buffer
  headBytes: number
  headerDone: boolean
  messageId: string | null
  /** The header fields that classes ask for. */
  fields: ClassFields
  /** The header holds valid UTF-8 beyond ASCII. */
  wideHeader: boolean
  eightBit: boolean
  receivedBytes: number
  storedBytes: number
  refusal: Reply | null
  ended: boolean
  /** null: not traced */
  trace: ReceptionTrace | null
}

const giveUp = (intake: Intake, reply: Reply): void => {
  if (intake.refusal !== null) return
  intake.refusal = reply
  intake.head = Buffer.alloc(0)
  intake.scanner = createHeaderScanner()
  void intake.writer.abort()
}

const write = async (intake: Intake, piece: Buffer): Promise<void> => {
  if (piece.length === 0 || intake.refusal !== null) return
  intake.storedBytes += piece.length
  try {
    await intake.writer.write(piece)
  } catch (error) {
    const fields = { ...clientFields(intake.session), id: intake.arrival.id, error }
    intake.shared.events.storeFailed(fields, intake.trace?.reception.ids)
    giveUp(intake, REPLIES.notStored)
  }
}

/** Adds to the held header; grows by doubling, so that a header in many small pieces costs linear time. */
const hold = (intake: Intake, piece: Buffer): void => {
  const { head, headBytes } = intake
  const needed = headBytes + piece.length
  if (headBytes === 0) intake.head = piece
  else {
    const grown = needed <= head.length ? head : Buffer.allocUnsafe(Math.max(needed, head.length * 2))
    if (grown !== head) head.copy(grown, 0, 0, headBytes)
    piece.copy(grown, headBytes)
    intake.head = grown
  }
  intake.headBytes = needed
}

/** R-trace-headers and R-limits: what is known once the header is whole. */
const releaseHeader = async (intake: Intake): Promise<void> => {
  const { scanner, arrival, session, transaction, shared } = intake
  const head = intake.head.subarray(0, intake.headBytes)
  const { fields } = scanner
  const end = scanner.endsAt()
  intake.headerDone = true
  intake.head = Buffer.alloc(0)
  intake.scanner = createHeaderScanner()
  if (end > MAX_HEADER_BYTES || fields.length > MAX_HEADER_FIELDS) return giveUp(intake, TOO_LONG_HEADER)
  let hops = 0
  for (const field of fields) if (field.name === 'received') hops++
  if (hops > shared.config.limits.hops) return giveUp(intake, TOO_MANY_HOPS)
  const header = head.subarray(0, end)
  intake.wideHeader = !isAscii(header) && isUtf8(header)
  intake.messageId = messageIdOf(head, fields)
  intake.fields = classFields(shared.directory, head, fields)
  const submission = mayRelay(session)
  const added = receivedField(arrival) + (submission ? missingFields(fields, arrival, transaction.from) : '')
  // A body without any header would continue ours.
  const separator = fields.length === 0 && !head.subarray(end, end + 2).equals(Buffer.from('\r\n')) ? '\r\n' : ''
  await write(intake, Buffer.from(added + separator))
  const pieces = submission ? withoutBlindCopies(head, fields) : [head]
  for (const piece of pieces) await write(intake, piece)
}

const take = async (intake: Intake, piece: Buffer): Promise<void> => {
  if (intake.refusal !== null || piece.length === 0) return
  const { sizeBytes } = intake.shared.config.limits
  intake.receivedBytes += piece.length
  if (intake.receivedBytes > sizeBytes) return giveUp(intake, tooLarge(sizeBytes))
  if (!intake.eightBit) intake.eightBit = !isAscii(piece)
  if (intake.headerDone) return write(intake, piece)
  hold(intake, piece)
  if (intake.scanner.scan(intake.head.subarray(0, intake.headBytes), false)) return releaseHeader(intake)
  const { length } = intake.scanner.fields
  if (intake.headBytes > MAX_HEADER_BYTES || length > MAX_HEADER_FIELDS) giveUp(intake, TOO_LONG_HEADER)
}

const envelopeOf = (intake: Intake): Envelope => {
  const { transaction, arrival, trace } = intake
  const { mail } = transaction
  const to = [...transaction.recipients.values()]
  return {
    v: PAYLOAD_VERSION,
    id: arrival.id,
    from: transaction.from,
    to,
    sizeBytes: intake.storedBytes,
    // BODY=8BITMIME declared or 8-bit found: whoever gets it must take 8-bit content (R-8bit).
    body: intake.eightBit || mail.body === '8bit' ? '8bit' : '7bit',
    // R-utf8: also a UTF-8 header that came without SMTPUTF8 must not go raw to a far end that does not offer it.
    utf8: intake.wideHeader || needsUtf8(transaction.from) || to.some(({ address }) => needsUtf8(address)),
    receivedAt: arrival.receivedAt,
    ...(mail.ret === undefined ? {} : { ret: mail.ret }),
    ...(mail.envid === undefined ? {} : { envid: mail.envid }),
    client: clientOf(arrival),
    ...(trace === null ? {} : { trace: trace.reception.traceparent }),
  }
}

/** R-utf8: an alias in UTF-8 whose targets are ASCII must not ask SMTPUTF8 of a far end by standing in Received. */
const namedRecipient = ({ named, firstNamed, recipients }: Transaction): string | null => {
  if (named !== 1) return null
  return !needsUtf8(firstNamed) || [...recipients.values()].some(({ address }) => needsUtf8(address)) ? firstNamed : null
}

/** The 451 of a failed admission, and what it leaves behind. */
const failed = (intake: Intake, error: unknown, staged: StagedContent | null): Reply => {
  const { shared, arrival, session } = intake
  const fields = { ...clientFields(session), id: arrival.id, error }
  if (error instanceof StoreError && error.fate === 'unknown') {
    shared.events.duplicateSuspected(fields, intake.trace?.reception.ids)
    return REPLIES.notStored
  }
  shared.events.storeFailed(fields, intake.trace?.reception.ids)
  // What cannot be removed now is found by the sweep.
  if (staged?.kind === 'stored') void shared.contentStore.remove(arrival.id, staged.ref).catch(() => {})
  return REPLIES.notStored
}

const destinationsOf = ({ shared, session, transaction, storedBytes, fields }: Intake): Map<Destination, Recipient[]> =>
  byClass(
    shared.directory,
    transaction.hops,
    { listener: session.listener.name, sender: transaction.from, sizeBytes: storedBytes, user: session.user },
    fields,
  )

/** When it resolves, all is durable. */
const store = async (intake: Intake, content: StagedContent): Promise<void> => {
  const { shared, trace } = intake
  const message = { envelope: envelopeOf(intake), content, destinations: destinationsOf(intake) }
  await (trace === null ? shared.accept(message) : traceAdmission(trace, message, shared.accept))
}

const admit = async (intake: Intake): Promise<Reply> => {
  const { shared, arrival, transaction, session, writer } = intake
  let staged: StagedContent | null = null
  try {
    staged = await writer.finish()
    await store(intake, staged)
  } catch (error) {
    if (staged === null) void writer.abort()
    return failed(intake, error, staged)
  }
  const fields = {
    ...clientFields(session),
    id: arrival.id,
    protocol: protocolOf(arrival),
    sender: transaction.from,
    recipients: transaction.recipients.size,
    sizeBytes: intake.storedBytes,
    messageId: intake.messageId,
  }
  shared.events.reception(fields, intake.trace?.reception.ids)
  return ok(250, '2.0.0', `queued as ${arrival.id}`)
}

const end = async (intake: Intake, broken: boolean): Promise<Reply> => {
  intake.ended = true
  if (broken) giveUp(intake, REPLIES.badLineEnds)
  if (!intake.headerDone && intake.refusal === null) {
    intake.scanner.scan(intake.head.subarray(0, intake.headBytes), true)
    await releaseHeader(intake)
  }
  intake.trace?.content.end(intake.refusal?.reason)
  const reply = intake.refusal ?? (await admit(intake))
  if (intake.trace !== null) endReception(intake.trace, reply, intake.storedBytes)
  return reply
}

const answer = async (intake: Intake, broken: boolean): Promise<Reply> => {
  const startedAt = performance.now()
  const reply = await end(intake, broken)
  intake.shared.events.answered((performance.now() - startedAt) / 1000)
  return reply
}

/** Begins a message: everything about it but the content is known. */
export const createReception = (session: Session, transaction: Transaction, shared: Shared): Reception => {
  const receivedAt = shared.now()
  const id = shared.newMessageId(receivedAt)
  const arrival: Arrival = {
    helo: session.helo ?? 'unknown',
    ip: session.ip,
    hostname: shared.config.hostname,
    esmtp: session.esmtp,
    utf8: transaction.mail.smtputf8,
    tls: session.tls,
    authenticated: session.user !== null,
    id,
    recipient: namedRecipient(transaction),
    receivedAt,
  }
  const intake: Intake = {
    session,
    transaction,
    shared,
    arrival,
    writer: shared.contentStore.stage(id, shared.laneOf([...transaction.hops.keys()], id), homeNetwork(session.ip)),
    scanner: createHeaderScanner(),
    head: Buffer.alloc(0),
    headBytes: 0,
    headerDone: false,
    messageId: null,
    fields: NO_FIELDS,
    wideHeader: false,
    eightBit: false,
    receivedBytes: 0,
    storedBytes: 0,
    refusal: null,
    ended: false,
    trace: traceReception(session, transaction, arrival, shared),
  }
  return {
    take: (piece) => take(intake, piece),
    end: (broken) => answer(intake, broken),
    abort: () => {
      if (intake.ended) return
      giveUp(intake, REPLIES.notStored)
      if (intake.trace !== null) abandonReception(intake.trace)
    },
  }
}
