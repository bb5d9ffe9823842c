/**
 * One message over one connection: MAIL, RCPT, DATA, content, dot. With PIPELINING (RFC 2920) the envelope goes out in one piece.
 * Guarantees: the final dot is sent only after exactly the stored number of bytes (R-short); nothing of this message is left on
 * the connection for the next one: it is reset first, or abandoned (R-clean).
 */
import type { Task } from '@sluice/contracts'
import { type Answer, hasCode } from './answer.ts'
import type { ConnectionMetrics } from './connection-metrics.ts'
import { createStuffer } from './dot-stuffing.ts'
import { mailCommand, rcptCommand } from './envelope-commands.ts'
import type { SmtpClient } from './smtp-client.ts'

export type TransactionParts = {
  client: SmtpClient
  task: Task
  /** Indexes into task.to. */
  recipients: readonly number[]
  content: () => AsyncIterable<Buffer>
  /** Called, not awaited, just before the final dot. */
  aboutToEnd: () => void
  /** For figures: seconds that a part took which came to its end. */
  took?: ConnectionMetrics['took']
}

/** Answers as they came; null where the conversation did not come so far. */
export type TransactionResult = {
  mail: Answer
  /** In the order of `recipients`. */
  rcpt: Answer[]
  data: Answer | null
  /** Why the content was not sent whole, by no fault of the far end. */
  unreadable: string | null
  /** The final dot was sent. */
  ended: boolean
  /** To the dot, one for each recipient that was accepted: with SMTP the same for all (R-lmtp). */
  dot: Answer[]
}

type Envelope = Pick<TransactionResult, 'mail' | 'rcpt' | 'data'>

const commandsOf = ({ client, task, recipients }: TransactionParts): { mail: string; rcpt: string[] } => {
  const to = recipients.map((i) => task.to[i]!)
  return { mail: mailCommand(task, to, client), rcpt: to.map((recipient) => rcptCommand(recipient, client)) }
}

const pipelinedEnvelope = async (parts: TransactionParts): Promise<Envelope> => {
  const { client } = parts
  const { mailMs, rcptMs, dataMs } = client.timeouts
  const commands = commandsOf(parts)
  client.command([commands.mail, ...commands.rcpt, 'DATA'])
  const answers = [client.expect('reply to MAIL', mailMs), ...commands.rcpt.map(() => client.expect('reply to RCPT', rcptMs))]
  const data = client.expect('reply to DATA', dataMs)
  const [mail, ...rcpt] = await Promise.all(answers)
  return { mail: mail!, rcpt, data: await data }
}

const steppedEnvelope = async (parts: TransactionParts): Promise<Envelope> => {
  const { client } = parts
  const { mailMs, rcptMs, dataMs } = client.timeouts
  const commands = commandsOf(parts)
  const ask = (line: string, what: string, timeoutMs: number): Promise<Answer> => {
    client.command([line])
    return client.expect(what, timeoutMs)
  }
  const mail = await ask(commands.mail, 'reply to MAIL', mailMs)
  if (!hasCode(mail, 2)) return { mail, rcpt: [], data: null }
  const rcpt: Answer[] = []
  for (const line of commands.rcpt) rcpt.push(await ask(line, 'reply to RCPT', rcptMs))
  const isTaken = rcpt.some((answer) => hasCode(answer, 2))
  return { mail, rcpt, data: isTaken ? await ask('DATA', 'reply to DATA', dataMs) : null }
}

/** DATA was sent along and taken, though there is nobody to deliver to. */
const endEmpty = async (client: SmtpClient, mail: Answer): Promise<void> => {
  // RFC 2920 §3.1: the lone dot ends it; a far end that took DATA without MAIL, or LMTP (no replies at all), cannot be relied on.
  if (client.isLmtp || !hasCode(mail, 2)) return client.abandon('DATA was taken without anybody to deliver to')
  client.command(['.'])
  await client.expect('reply to the final dot', client.timeouts.dotMs)
}

type PieceReader = { next: () => Promise<IteratorResult<Buffer> | null>; stop: () => void }

/**
 * The pieces of a content, for one transaction; null as soon as the connection has ended, which a slow store must not hide. Not a
 * race against one promise of the end: that would hold on to each piece until the last one.
 */
const readPieces = (content: AsyncIterable<Buffer>, client: SmtpClient): PieceReader => {
  const iterator = content[Symbol.asyncIterator]()
  let tell = (): void => {}
  const end = (): void => tell()
  client.once('end', end)
  return {
    next: () =>
      new Promise((resolve, reject) => {
        tell = () => resolve(null)
        if (client.isOpen) iterator.next().then(resolve, reject)
        else tell()
      }),
    stop: () => {
      client.removeListener('end', end)
      iterator.return?.().catch(() => {})
    },
  }
}

/** Sends all but the last piece; that one comes back, to go with the dot. A message for the store's fault, if any. */
const sendContent = async (
  parts: TransactionParts,
  push: (piece: Buffer) => Buffer,
): Promise<{ last: Buffer } | { unreadable: string }> => {
  const { client, task } = parts
  let held: Buffer | null = null
  let sizeBytes = 0
  const pieces = readPieces(parts.content(), client)
  try {
    for (;;) {
      const next = await pieces.next()
      if (next === null || next.done === true || !client.isOpen) break
      sizeBytes += next.value.length
      if (sizeBytes > task.sizeBytes) return { unreadable: `the content has more than its ${task.sizeBytes} bytes` }
      if (held !== null) await client.write(push(held))
      held = next.value
    }
  } catch (error) {
    return { unreadable: `the content could not be read: ${error instanceof Error ? error.message : String(error)}` }
  } finally {
    pieces.stop()
  }
  if (client.isOpen && sizeBytes !== task.sizeBytes) {
    return { unreadable: `the content ended after ${sizeBytes} of ${task.sizeBytes} bytes` }
  }
  return { last: push(held ?? Buffer.alloc(0)) }
}

const sendAll = async (parts: TransactionParts, accepted: number): Promise<Omit<TransactionResult, keyof Envelope>> => {
  const { client, task, aboutToEnd } = parts
  const stuffer = createStuffer()
  let early = false
  let ended = false
  const count = client.isLmtp ? accepted : 1
  const answers = Array.from({ length: count }, () => client.expect('reply to the final dot', null))
  void answers[0]?.then(() => {
    early = !ended
    if (early) client.abandon('the far end answered before the end of the content')
  })
  const sent = await sendContent(parts, stuffer.push)
  if ('unreadable' in sent) {
    // R-short: no dot, not another byte.
    client.abandon(sent.unreadable)
    return { unreadable: sent.unreadable, ended: false, dot: await Promise.all(answers) }
  }
  if (client.isOpen && !early) {
    aboutToEnd()
    ended = true
    client.transcript.note(`content, ${task.sizeBytes} bytes`)
    client.write(sent.last, stuffer.end())
    client.transcript.said('C', '.')
  }
  const dot: Answer[] = []
  for (const answer of answers) {
    // R-timeouts, R-lmtp: each reply has its time.
    if (ended) client.startTimer('reply to the final dot', client.timeouts.dotMs)
    dot.push(await answer)
  }
  client.stopTimer()
  return { unreadable: null, ended, dot: client.isLmtp ? dot : Array.from({ length: accepted }, () => dot[0]!) }
}

/** R-clean: RSET, and only its 250 makes the connection fit for another message. @param leave gives it up at once */
export const resetIfNeeded = async (client: SmtpClient, leave: AbortSignal): Promise<void> => {
  if (!client.needsReset || !client.isOpen) return
  const stop = (): void => client.abandon('the delivery was interrupted')
  leave.addEventListener('abort', stop)
  client.command(['RSET'])
  const answer = await client.expect('reply to RSET', client.timeouts.mailMs)
  leave.removeEventListener('abort', stop)
  if (hasCode(answer, 2)) client.needsReset = false
  else client.abandon('RSET was refused')
}

const isRefusal = (answer: Answer): boolean => answer.kind === 'reply' && !hasCode(answer, 2)

/** Never throws: what went wrong stands in the result. The far end must be fit for the message (`unfitFor`). */
export const runTransaction = async (parts: TransactionParts): Promise<TransactionResult> => {
  const { client, took = () => {} } = parts
  const startedAt = performance.now()
  const envelope = await (client.offers('PIPELINING') ? pipelinedEnvelope(parts) : steppedEnvelope(parts))
  const { mail, rcpt, data } = envelope
  const accepted = hasCode(mail, 2) ? rcpt.filter((answer) => hasCode(answer, 2)).length : 0
  const unsent = { ...envelope, unreadable: null, ended: false, dot: [] }
  if (accepted === 0 || !hasCode(data, 3)) {
    if (hasCode(data, 3)) await endEmpty(client, mail)
    else if (hasCode(data, 2)) client.abandon('DATA was answered like any other command')
    client.needsReset = true
    return unsent
  }
  const takenAt = performance.now()
  took('envelope', (takenAt - startedAt) / 1000)
  client.inContent = true
  const result = { ...envelope, ...(await sendAll(parts, accepted)) }
  client.inContent = false
  if (result.ended) took('content', (performance.now() - takenAt) / 1000)
  client.needsReset = [...rcpt, ...result.dot].some(isRefusal)
  return result
}
