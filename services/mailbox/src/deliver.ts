/**
 * One message for several accounts, as it streams in: each account gets a file of its own, and each recipient its own reply
 * (R-lmtp), whatever becomes of the others. At most one piece of the message is in memory.
 */
import { REPLIES, type Reception, type Reply, tooLarge } from '@sluice/smtp-listener'
import { accountFolder, ensureMaildir } from './account-folder.ts'
import { gatewayId } from './gateway-id.ts'
import { createHeaderFilter, type HeaderFilter } from './header-filter.ts'
import { createLineEnds } from './line-ends.ts'
import { type MaildirWriter, openMaildirWriter } from './maildir-writer.ts'
import { addToCount, hasRoom } from './quota.ts'
import { delivered, LOOP, OVER_QUOTA, replyForFault } from './reply.ts'

export type MailAccount = { address: string; quotaBytes: number | null }

export type DeliverOptions = {
  /** Root of all accounts' folders. */
  directory: string
  hostname: string
  /** A message beyond is refused, having been read to its end. */
  maxBytes: number
  /** ms since the epoch */
  now: () => number
  /** @param id as in the report; null also while the header has not come */
  onFault: (address: string, fault: unknown, id: string | null) => void
}

export type Delivery = {
  from: string
  /** In the order of their RCPT commands. `original`: the address that the sender used, when known. */
  recipients: { account: MailAccount; original: string | null }[]
}

export type DeliveryResult = { reply: Reply; path: string | null; sizeBytes: number }

type StepOptions = Omit<DeliverOptions, 'onFault'> & { onFault: (address: string, fault: unknown) => void }

type Target = { account: MailAccount; folder: string; writer: MaildirWriter | null; result: DeliveryResult | null }

const settle = async (target: Target, reply: Reply): Promise<void> => {
  target.result = { reply, path: null, sizeBytes: 0 }
  await target.writer?.abort()
}

/** Runs one step for one target; a fault settles this target only. */
const step = async (target: Target, options: StepOptions, work: () => Promise<void>): Promise<void> => {
  if (target.result !== null) return
  try {
    await work()
  } catch (fault) {
    options.onFault(target.account.address, fault)
    await settle(target, replyForFault(fault))
  }
}

const openTarget = async (options: StepOptions, delivery: Delivery, at: number): Promise<Target> => {
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
    if (target.result === null && seen.has(target.account.address.toLowerCase())) await settle(target, LOOP)
  }
}

const commit = (target: Target, options: StepOptions): Promise<void> =>
  step(target, options, async () => {
    const writer = target.writer!
    const { quotaBytes } = target.account
    if (quotaBytes !== null && !(await hasRoom(target.folder, quotaBytes, writer.sizeBytes()))) return settle(target, OVER_QUOTA)
    const path = await writer.commit()
    target.result = { reply: delivered(target.account.address), path, sizeBytes: writer.sizeBytes() }
    // The message is delivered: a count that could not be kept must not call it otherwise.
    if (quotaBytes !== null)
      await addToCount(target.folder, writer.sizeBytes()).catch((fault) => options.onFault(target.account.address, fault))
  })

const write = async (targets: Target[], options: StepOptions, piece: Buffer): Promise<void> => {
  if (piece.length === 0) return
  await Promise.all(targets.map((target) => step(target, options, () => target.writer!.write(piece))))
}

const settleAll = async (targets: Target[], reply: Reply): Promise<void> => {
  for (const target of targets) if (target.result === null) await settle(target, reply)
}

/** Each account once, however often it was named. */
const openTargets = (options: StepOptions, delivery: Delivery): Promise<Target[]> => {
  const first = new Map<string, number>()
  for (const [at, { account }] of delivery.recipients.entries()) if (!first.has(account.address)) first.set(account.address, at)
  return Promise.all([...first.values()].map((at) => openTarget(options, delivery, at)))
}

/** One result per recipient, in their order. */
const resultsOf = ({ recipients }: Delivery, targets: Target[]): DeliveryResult[] => {
  const results = new Map(targets.map((target) => [target.account.address, target.result]))
  return recipients.map(({ account }) => results.get(account.address) ?? { reply: REPLIES.notStored, path: null, sizeBytes: 0 })
}

/** @param id by which the gateway knows the message; null: another host brought it */
export type ReportDelivery = (results: DeliveryResult[], id: string | null) => void

/**
 * Begins to take a message.
 * @param report called once with one result per recipient, in their order, when the message has come whole
 */
export const createDelivery = (given: DeliverOptions, delivery: Delivery, report: ReportDelivery): Reception => {
  const header = createHeaderFilter()
  const id = (): string | null => gatewayId(header.first('received'), header.first('message-id'), given.hostname)
  const options: StepOptions = { ...given, onFault: (address, fault) => given.onFault(address, fault, id()) }
  const opening = openTargets(options, delivery)
  const lineEnds = createLineEnds()
  let bytes = 0
  let checked = false
  let ended = false
  /** What runs; an abort comes after it. */
  let working: Promise<unknown> = opening
  const checkOnce = async (targets: Target[]): Promise<void> => {
    if (checked) return
    checked = true
    await refuseLoops(targets, header)
  }
  const take = async (piece: Buffer): Promise<void> => {
    const targets = await opening
    bytes += piece.length
    // Read to the end, so that the reply is heard.
    if (bytes > options.maxBytes) return settleAll(targets, tooLarge(options.maxBytes))
    const rest = lineEnds.push(header.push(piece))
    if (header.inBody()) await checkOnce(targets)
    await write(targets, options, rest)
  }
  return {
    take: (piece) => {
      const taken = take(piece)
      working = taken
      return taken
    },
    end: async (broken) => {
      ended = true
      const targets = await opening
      if (broken) await settleAll(targets, REPLIES.badLineEnds)
      const held = header.end()
      await checkOnce(targets)
      await write(targets, options, Buffer.concat([lineEnds.push(held), lineEnds.end()]))
      await Promise.all(targets.map((target) => commit(target, options)))
      const results = resultsOf(delivery, targets)
      report(results, id())
      return results.map(({ reply }) => ({ ...reply, blameless: true }))
    },
    abort: () => {
      if (!ended) void working.then(() => opening).then((targets) => settleAll(targets, REPLIES.notStored))
      ended = true
    },
  }
}
