/**
 * The trace of a message begins here, when its content does: the span `reception` reaches back to MAIL, and for the first message of a
 * connection to the connection itself, whose greeting, EHLO, TLS and AUTH are then its child `session`. Clients that give up before DATA
 * leave no trace. SMTP has no place for a trace context of the client's own, so every message begins a trace of its own.
 */
import type { Reply } from '@sluice/smtp-listener'
import { type Accept, type AcceptMessage, StoreError } from '@sluice/spool'
import type { Attributes, Span } from '@sluice/tracing'
import type { Session, Shared, Transaction } from './session.ts'
import { type Arrival, protocolOf } from './trace-headers.ts'

export type ReceptionTrace = {
  /** The whole message, to the reply after its dot; its context travels with the message. */
  reception: Span
  content: Span
}

const describe = (session: Session, transaction: Transaction, arrival: Arrival): Attributes => ({
  'messaging.system': 'sluice',
  'messaging.operation.type': 'receive',
  'messaging.operation.name': 'receive',
  'messaging.message.id': arrival.id,
  'network.transport': 'tcp',
  'network.protocol.name': 'smtp',
  'client.address': session.ip,
  'server.address': arrival.hostname,
  'sluice.listener': session.listener.name,
  'sluice.protocol': protocolOf(arrival),
  'sluice.session.message': session.messages,
  'sluice.recipients': transaction.recipients.size,
  ...(session.tls === null ? {} : { 'tls.protocol.version': session.tls.version, 'tls.cipher': session.tls.cipher }),
})

/** ms since the epoch of a moment of performance.now(). */
const timeOf = (moment: number): number => Date.now() - (performance.now() - moment)

/** @returns null: not traced */
export const traceReception = (
  session: Session,
  transaction: Transaction,
  arrival: Arrival,
  { tracer }: Shared,
): ReceptionTrace | null => {
  if (tracer === null) return null
  const isFirst = session.messages === 1
  const mailAt = timeOf(transaction.begunAt)
  const startedAt = isFirst ? timeOf(session.startedAt) : mailAt
  const reception = tracer.begin('reception', { kind: 'server', startedAt })
  if (reception === null) return null
  reception.set(describe(session, transaction, arrival))
  if (isFirst) reception.child('session', { startedAt }).end(null, mailAt)
  return { reception, content: reception.child('content') }
}

/** The one write that makes the message durable. A filter's verdict will come before it, and find the context in the envelope. */
export const traceAdmission = async ({ reception }: ReceptionTrace, message: Accept, accept: AcceptMessage): Promise<void> => {
  const [first] = message.destinations.keys()
  const attributes: Attributes = {
    'messaging.system': 'sluice',
    'messaging.operation.type': 'send',
    'messaging.operation.name': 'admit',
    'messaging.message.id': message.envelope.id,
    'sluice.destinations': message.destinations.size,
    'sluice.content.store': message.content.kind === 'inline' ? 'inline' : message.content.ref.store,
  }
  if (first !== undefined && message.destinations.size === 1) attributes['messaging.destination.name'] = first
  const span = reception.child('admission', { kind: 'producer', attributes })
  try {
    await accept(message)
    span.end()
  } catch (error) {
    span.end(error instanceof StoreError ? `store-${error.fate}` : 'store')
    throw error
  }
}

/** The reply to the dot: a refusal is an error, by its reason. */
export const endReception = ({ reception }: ReceptionTrace, reply: Reply, storedBytes: number): void => {
  reception.set({ 'messaging.message.body.size': storedBytes, 'sluice.reply.code': reply.code })
  reception.end(reply.code < 400 ? null : (reply.reason ?? String(reply.code)))
}

/** The client has gone, or the content was given up. */
export const abandonReception = ({ reception, content }: ReceptionTrace): void => {
  content.end('client-gone')
  reception.end('client-gone')
}
