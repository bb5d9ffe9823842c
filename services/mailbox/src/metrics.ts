/** What the mailbox service counts, and the room on its disk, asked at each scrape. */
import { statfs } from 'node:fs/promises'
import { declareConfig, declareReadiness, type Metrics } from '@sluice/runtime'
import { REJECTION_REASONS, type RejectionReason } from '@sluice/smtp-listener'
import { Counter, Gauge } from 'prom-client'

const RESULTS = ['delivered', 'deferred', 'refused'] as const
export type Result = (typeof RESULTS)[number]

export type MailboxMetrics = {
  /** A recipient of a message that came in whole. @param sizeBytes of the file that was made; 0 without one */
  stored: (result: Result, sizeBytes: number) => void
  connected: () => void
  disconnected: () => void
  rejected: (reason: RejectionReason) => void
}

/** What is free on the disk of a folder, which may not exist yet; NaN when it cannot be asked. */
const freeBytes = async (directory: string): Promise<number> => {
  try {
    const { bavail, bsize } = await statfs(directory)
    return bavail * bsize
  } catch {
    return Number.NaN
  }
}

const declareDisk = (registry: Metrics, directory: string): void => {
  new Gauge({
    name: 'sluice_mailbox_disk_free_bytes',
    help: 'Bytes free on the disk of the mailboxes; NaN before the first mail has made the folder',
    registers: [registry],
    async collect() {
      this.set(await freeBytes(directory))
    },
  })
}

export const createMailboxMetrics = (registry: Metrics, directory: string): MailboxMetrics => {
  const registers = [registry]
  const recipients = new Counter({
    name: 'sluice_mailbox_recipients_total',
    help: 'Recipients of messages that came in whole, by result',
    labelNames: ['result'] as const,
    registers,
  })
  for (const result of RESULTS) recipients.inc({ result }, 0)
  const bytes = new Counter({
    name: 'sluice_mailbox_stored_bytes_total',
    help: 'Bytes of the files that were made in mailboxes',
    registers,
  })
  const open = new Gauge({ name: 'sluice_mailbox_connections_open', help: 'Delivery-agents connected now', registers })
  const rejections = new Counter({
    name: 'sluice_mailbox_rejections_total',
    help: 'Commands and messages that the mailbox refused, by reason: quota, unknown-recipient and so on',
    labelNames: ['reason'] as const,
    registers,
  })
  for (const reason of REJECTION_REASONS) rejections.inc({ reason }, 0)
  declareDisk(registry, directory)
  return {
    stored: (result, sizeBytes) => {
      recipients.inc({ result })
      bytes.inc(sizeBytes)
    },
    connected: () => open.inc(),
    disconnected: () => open.dec(),
    rejected: (reason) => rejections.inc({ reason }),
  }
}

/** All figures of a mailbox service, for docs/metrics.md. */
export const declareMetrics = (registry: Metrics): void => {
  createMailboxMetrics(registry, '')
  declareReadiness(registry, () => ({ kind: 'ok' }))
  declareConfig(registry, () => false)
}
