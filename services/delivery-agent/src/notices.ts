/**
 * Tells the sender: plans who hears of what, builds the notices and admits them to the spool like any other mail, before the
 * task they tell of is settled. Their IDs follow from what they tell, and each is admitted once, so a crash between makes no
 * second one (R-one-notice). What cannot be told to anybody is a double bounce: an event, for the postmaster (R-double).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { destinationName, type Envelope, NOTICE_CLASS, type Recipient, type Task } from '@sluice/contracts'
import type { Config, Directory } from '@sluice/directory'
import { buildNotice, type NoticePlan, type RecipientResult, wantsContent, whoHears } from '@sluice/dsn'
import type { Fields, Log, TraceIds } from '@sluice/runtime'
import { findHeaderEnd, parseMailbox } from '@sluice/smtp'
import type { Accept, AcceptMessage, Destination } from '@sluice/spool'
import type { Span } from '@sluice/tracing'
import { traceNotice } from './spans.ts'

const MOST_HEADER_BYTES = 256 * 1024

export type NoticeInputs = {
  task: Task
  results: RecipientResult[]
  transcript: string[]
  content: () => AsyncIterable<Buffer>
  dsnPassed: boolean
  delayDue: boolean
  /** ms since the epoch */
  willRetryUntil: number
  /** Of what the notice tells; null: not traced */
  span: Span | null
}

/** @returns the kinds of notice that were admitted */
export type TellSender = (inputs: NoticeInputs) => Promise<string[]>

type Planned = Extract<NoticePlan, { kind: 'notices' }>['notices'][number]

/**
 * The whole content where the notice can use it, else its header: large content is not read to its end for a notice. A content
 * that cannot be read is left out; the notice is due all the same.
 */
const readFor = async (content: () => AsyncIterable<Buffer>, whole: boolean): Promise<{ content: Buffer; isWhole: boolean }> => {
  let bytes: Buffer = Buffer.alloc(0)
  try {
    for await (const piece of content()) {
      bytes = bytes.length === 0 ? piece : Buffer.concat([bytes, piece])
      if (!whole && (bytes.length > MOST_HEADER_BYTES || findHeaderEnd(bytes) !== -1)) break
    }
    return { content: bytes, isWhole: whole }
  } catch {
    return { content: bytes, isWhole: false }
  }
}

export type NoticeDependencies = {
  config: Pick<Config, 'hostname' | 'notices'>
  directory: Directory
  accept: AcceptMessage
  log: Log
  count: (event: 'notice' | 'double-bounce') => void
  now: () => number
  /** Ends waiting for Redis: the grace time is over. */
  signal: AbortSignal
}

const groupByDestination = (directory: Directory, recipients: Recipient[], cls: string): Map<Destination, Recipient[]> | null => {
  const groups = new Map<Destination, Recipient[]>()
  for (const recipient of recipients) {
    const hop = directory.destinationOf(recipient)
    if (hop === null) return null
    // In a class of their own, also to our own mailbox: mail that waits does not hold them back.
    const destination = destinationName(hop, cls)
    groups.set(destination, [...(groups.get(destination) ?? []), recipient])
  }
  return groups
}

/** Where a notice goes: the reverse-path, through aliases when it is an own address. null: nowhere. */
const routeNotice = (
  directory: Directory,
  envelope: Envelope,
  cls: string,
): { to: Recipient[]; groups: Map<Destination, Recipient[]> } | null => {
  const address = envelope.to[0]?.address ?? ''
  const mailbox = parseMailbox(address, { utf8: true })
  if (mailbox === null) return null
  const resolved = directory.resolve(mailbox)
  if (resolved.kind === 'unknown' || resolved.kind === 'loop') return null
  const to = resolved.kind === 'own' ? resolved.recipients : envelope.to
  const groups = groupByDestination(directory, to, cls)
  return groups === null ? null : { to, groups }
}

export const createTellSender = (deps: NoticeDependencies): TellSender => {
  const { config, directory, accept, log, now } = deps
  const event = (name: 'notice' | 'double-bounce', fields: Fields, ids?: TraceIds): void => {
    deps.count(name)
    log.event(name, fields, ids)
  }

  /** Until it is durable: the settlement that follows says that the sender was told. Admitted once, so trying again is safe. */
  const admit = async (id: string, notice: Accept): Promise<void> => {
    for (let pauseMs = 100; ; pauseMs = Math.min(2000, pauseMs * 2)) {
      try {
        return await accept(notice)
      } catch (error) {
        if (deps.signal.aborted) throw error
        log.warn('a notice could not be stored; trying again', { id, notice: notice.envelope.id, error })
        await sleep(pauseMs)
      }
    }
  }

  const send = async (planned: Planned, inputs: NoticeInputs): Promise<boolean> => {
    const { task } = inputs
    const about = { kind: planned.kind, envelope: task, maxContentBytes: config.notices.maxContentBytes }
    const notice = buildNotice({
      ...about,
      ...(await readFor(inputs.content, wantsContent(about))),
      results: planned.results,
      transcript: inputs.transcript,
      hostname: config.hostname,
      now: now(),
      willRetryUntil: inputs.willRetryUntil,
    })
    const route = routeNotice(directory, notice.envelope, config.notices.ownClass ? NOTICE_CLASS : '')
    const facts = { id: task.id, notice: notice.envelope.id, kind: planned.kind, to: task.from }
    if (route === null) {
      event('double-bounce', { ...facts, reason: 'the sender’s address leads nowhere' }, inputs.span?.ids)
      return false
    }
    const span = inputs.span === null ? null : traceNotice(inputs.span, planned.kind, notice.envelope)
    // Its own way is a part of the same trace.
    const envelope = { ...notice.envelope, to: route.to, ...(span === null ? {} : { trace: span.traceparent }) }
    const content = { kind: 'inline', bytes: notice.content } as const
    await admit(task.id, { envelope, content, destinations: route.groups, once: true })
    span?.end()
    event('notice', facts, span?.ids)
    return true
  }

  return async (inputs) => {
    const { task, results } = inputs
    const plan = whoHears(task.from, results, { delayDue: inputs.delayDue, dsnPassed: inputs.dsnPassed })
    if (plan.kind === 'double-bounce') {
      const recipients = plan.results.map(({ recipient, outcome }) => ({ to: recipient.address, status: outcome.status }))
      event('double-bounce', { id: task.id, recipients }, inputs.span?.ids)
      return []
    }
    const told: string[] = []
    for (const planned of plan.notices) if (await send(planned, inputs)) told.push(planned.kind)
    return told
  }
}
