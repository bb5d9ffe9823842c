/** What the mailbox of a test is told. */
import type { MailboxConfig } from '../mailbox.ts'

export const LIMITS = {
  sizeBytes: 26_214_400,
  recipients: 1000,
  hops: 100,
  errors: 20,
  noops: 100,
  connections: 50,
  connectionsPerClient: 50,
  idleMs: 60_000,
  sessionMs: 60_000,
  commandLineBytes: 2048,
}

/** A mailbox on a port of its own. */
export const configOf = (directory: string, limits: Partial<typeof LIMITS> = {}): MailboxConfig => ({
  hostname: 'mx.sluice.test',
  limits: { ...LIMITS, ...limits },
  mailbox: { listen: { host: '127.0.0.1', port: 0 }, directory },
  shutdownGraceMs: 300,
})
