/**
 * One message for several accounts, as it streams in: each account gets a file of its own, and each recipient its own reply
 * (R-lmtp), whatever becomes of the others. At most one piece of the message is in memory.
 */
import { accountFolder, ensureMaildir } from './account-folder.ts'
import { createHeaderFilter, type HeaderFilter } from './header-filter.ts'
import { createLineEnds } from './line-ends.ts'
import { type MaildirWriter, openMaildirWriter } from './maildir-writer.ts'
import { addToCount, hasRoom } from './quota.ts'
import { type LmtpReply, REPLIES, replyForFault } from './reply.ts'

export type MailAccount = { address: string; quotaBytes: number | null }

export type DeliverOptions = {
  /** Root of all accounts' folders. */
  directory: string
  hostname: string
  /** A message beyond is refused, having been read to its end. */
  maxBytes: number
  /** ms since the epoch */
  now: () => number
  onFault: (address: string, fault: unknown) => void
}

export type Delivery = {
  from: string
  /** In the order of their RCPT commands. `original`: the address that the sender used, when known. */
  recipients: { account: MailAccount; original: string | null }[]
}

export type DeliveryResult = { reply: LmtpReply; path: string | null; sizeBytes: number }

type Target = { account: MailAccount; folder: string; writer: MaildirWriter | null; result: DeliveryResult | null }

const settle = async (target: Target, reply: LmtpReply): Promise<void> => {
  target.result = { reply, path: null, sizeBytes: 0 }
  await target.writer?.abort()
}

/** Runs one step for one target; a fault settles this target only. */
const step = async (target: Target, options: DeliverOptions, work: () => Promise<void>): Promise<void> => {
  if (target.result !== null) return
  try {
    await work()
  } catch (fault) {
    options.onFault(target.account.address, fault)
    await settle(target, replyForFault(fault))
  }
}

const openTarget = async (options: DeliverOptions, delivery: Delivery, at: number): Promise<Target> => {
  const { account, original } = delivery.recipients[at]!
  const folder = accountFolder(options.directory, account.address)
  const target: Target = { account, folder, writer: null, result: null }
  await step(target, options, async () => {
    await ensureMaildir(folder)
    target.writer = await openMaildirWriter(folder, options.hostname, options.now())
    const fields = [
      `Return-Path: <${delivery.from}>`,
      `X-Original-To: ${original ?? account.address}`,
      `Delivered-To: ${account.address}`,
    ]
    await target.writer.write(Buffer.from(`${fields.join('\n')}\n`))
  })
  return target
}

/** R-maildir: an account that the message has been delivered to before is a loop. */
const refuseLoops = async (targets: Target[], header: HeaderFilter): Promise<void> => {
  const seen = new Set(header.deliveredTo().map((address) => address.toLowerCase()))
  for (const target of targets) {
    if (target.result === null && seen.has(target.account.address.toLowerCase())) await settle(target, REPLIES.loop)
  }
}

const commit = (target: Target, options: DeliverOptions): Promise<void> =>
  step(target, options, async () => {
    const writer = target.writer!
    const { quotaBytes } = target.account
    if (quotaBytes !== null && !(await hasRoom(target.folder, quotaBytes, writer.sizeBytes())))
      return settle(target, REPLIES.overQuota)
    const path = await writer.commit()
    const reply = { code: 250, enhanced: '2.0.0', text: `Delivered to <${target.account.address}>` }
    target.result = { reply, path, sizeBytes: writer.sizeBytes() }
    // The message is delivered: a count that could not be kept must not call it otherwise.
    if (quotaBytes !== null)
      await addToCount(target.folder, writer.sizeBytes()).catch((fault) => options.onFault(target.account.address, fault))
  })

const write = async (targets: Target[], options: DeliverOptions, piece: Buffer): Promise<void> => {
  if (piece.length === 0) return
  await Promise.all(targets.map((target) => step(target, options, () => target.writer!.write(piece))))
}

const receive = async (content: AsyncIterable<Buffer>, targets: Target[], options: DeliverOptions): Promise<void> => {
  const header = createHeaderFilter()
  const lineEnds = createLineEnds()
  let bytes = 0
  let checked = false
  const checkOnce = async (): Promise<void> => {
    checked = true
    await refuseLoops(targets, header)
  }
  for await (const piece of content) {
    bytes += piece.length
    if (bytes > options.maxBytes) {
      for (const target of targets) if (target.result === null) await settle(target, REPLIES.tooBig)
      continue // read to the end, so that the reply is heard
    }
    const rest = lineEnds.push(header.push(piece))
    if (header.inBody() && !checked) await checkOnce()
    await write(targets, options, rest)
  }
  const held = header.end()
  if (!checked) await checkOnce()
  await write(targets, options, Buffer.concat([lineEnds.push(held), lineEnds.end()]))
}

/**
 * @param content as the client sent it, dots removed
 * @returns one result per recipient, in their order; an account named twice gets the message once
 * @throws what `content` throws; then nothing was delivered
 */
export const deliver = async (
  options: DeliverOptions,
  delivery: Delivery,
  content: AsyncIterable<Buffer>,
): Promise<DeliveryResult[]> => {
  const first = new Map<string, number>()
  for (const [at, { account }] of delivery.recipients.entries()) if (!first.has(account.address)) first.set(account.address, at)
  const targets = await Promise.all([...first.values()].map((at) => openTarget(options, delivery, at)))
  try {
    await receive(content, targets, options)
  } catch (fault) {
    await Promise.all(targets.map((target) => target.writer?.abort()))
    throw fault
  }
  await Promise.all(targets.map((target) => commit(target, options)))
  const results = new Map(targets.map((target) => [target.account.address, target.result]))
  return delivery.recipients.map(
    ({ account }) => results.get(account.address) ?? { reply: REPLIES.failed, path: null, sizeBytes: 0 },
  )
}
