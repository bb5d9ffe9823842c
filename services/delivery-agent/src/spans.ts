/**
 * The spans of a task in hand: the attempt (or what else was done to it), in it each connection that was dialled and each transaction,
 * and each notice. Names of hosts and destinations, codes and figures; never addresses, and never what a far end wrote.
 */
import type { DeliveryReport, Envelope, Outcome, Task } from '@sluice/contracts'
import type { Judgement } from '@sluice/smtp'
import { isLate, type Span, type SpanName, type Tracer } from '@sluice/tracing'
import type { Candidate } from './candidates.ts'
import type { Opened } from './open-client.ts'
import type { SmtpClient } from './smtp-client.ts'

export type TaskFacts = {
  task: Task
  destination: string
  /** This attempt's number. */
  attempt: number
  /** ms since the epoch */
  now: number
}

/** Goes on with the trace of the message, or, when that is long over, begins one with a link to it. @returns null: not traced */
export const traceTask = (tracer: Tracer | null, name: SpanName, facts: TaskFacts): Span | null => {
  const { task, destination, attempt, now } = facts
  if (tracer === null || task.trace === undefined) return null
  return tracer.resume(task.trace, name, {
    kind: 'consumer',
    late: isLate(task.receivedAt, now),
    attributes: {
      'messaging.system': 'sluice',
      'messaging.operation.type': 'process',
      'messaging.operation.name': name,
      'messaging.destination.name': destination,
      'messaging.message.id': task.id,
      'messaging.message.body.size': task.sizeBytes,
      'sluice.attempt': attempt,
      'sluice.recipients': task.to.length,
      'sluice.message.age': (now - task.receivedAt) / 1000,
      ...(task.notice === true ? { 'sluice.notice': true } : {}),
    },
  })
}

const KINDS = ['delivered', 'deferred', 'bounced'] as const

/** The first that was not delivered says what went wrong. */
const finish = (span: Span, outcomes: readonly Outcome[]): void => {
  for (const kind of KINDS) {
    const count = outcomes.filter((outcome) => outcome.kind === kind).length
    if (count > 0) span.set({ [`sluice.recipients.${kind}`]: count })
  }
  const failed = outcomes.find(({ kind }) => kind !== 'delivered')
  const code = (failed ?? outcomes[0])?.reply?.code
  if (code !== undefined) span.set({ 'sluice.reply.code': code })
  span.end(failed?.status)
}

export const endTask = (span: Span, report: DeliveryReport): void => {
  span.set({ 'sluice.stage': report.stage, ...(report.host === null ? {} : { 'server.address': report.host }) })
  finish(span, report.outcomes)
}

const farEnd = ({ name, address, port }: Candidate) => ({
  'network.transport': 'tcp',
  'server.address': name,
  'server.port': port,
  'network.peer.address': address,
  'network.peer.port': port,
})

const tlsOf = (client: SmtpClient): Record<string, string> => (client.tlsName === null ? {} : { 'sluice.tls': client.tlsName })

const protocolOf = ({ isLmtp }: SmtpClient): string => (isLmtp ? 'lmtp' : 'smtp')

/** From dialling to a connection that is ready for MAIL: greeting, EHLO, TLS and log-in included. */
export const traceConnection = (attempt: Span, candidate: Candidate): Span =>
  attempt.child('connection', { kind: 'client', attributes: farEnd(candidate) })

export const endConnection = (span: Span, opened: Opened): void => {
  if (opened.kind === 'ready') {
    span.set({ 'network.protocol.name': protocolOf(opened.client), ...tlsOf(opened.client) })
    span.end()
    return
  }
  const { stage, reply } = opened.failure
  span.set({ 'sluice.stage': stage, ...(reply === null ? {} : { 'sluice.reply.code': reply.code }) })
  span.end(reply === null ? `lost-${stage}` : String(reply.code))
}

/** MAIL, RCPT, DATA, content and the replies to its end. */
export const traceTransaction = (attempt: Span, client: SmtpClient, candidate: Candidate, recipients: number): Span =>
  attempt.child('transaction', {
    kind: 'client',
    attributes: {
      ...farEnd(candidate),
      'network.protocol.name': protocolOf(client),
      ...tlsOf(client),
      'sluice.recipients': recipients,
      // From 1: a later one came over a connection that was there already.
      'sluice.connection.message': client.transactions,
    },
  })

export const endTransaction = (span: Span, judgements: readonly Judgement[]): void =>
  finish(
    span,
    judgements.map(({ outcome }) => outcome),
  )

/** Building a notice and admitting it. @param kind failed, delayed … */
export const traceNotice = (attempt: Span, kind: string, { id, sizeBytes }: Envelope): Span =>
  attempt.child('notice', {
    kind: 'producer',
    attributes: {
      'messaging.system': 'sluice',
      'messaging.operation.type': 'send',
      'messaging.operation.name': 'notice',
      'messaging.message.id': id,
      'messaging.message.body.size': sizeBytes,
      'sluice.notice.kind': kind,
    },
  })
