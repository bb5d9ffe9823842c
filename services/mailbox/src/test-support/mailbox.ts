/** A mailbox for each test of a file, with a folder, a clock and a client of its own. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, createMetrics } from '@sluice/runtime'
import { afterEach, beforeEach, expect } from 'vitest'
import type { MailAccount } from '../deliver.ts'
import { createMailbox, type Mailbox } from '../mailbox.ts'
import { configOf, type LIMITS } from './config.ts'
import { type LmtpClient, lmtpClient } from './lmtp-client.ts'

const ACCOUNTS: MailAccount[] = [
  { address: 'anna@sluice.test', quotaBytes: null },
  { address: 'Anna@sluice.test', quotaBytes: null },
  { address: 'ben@sluice.test', quotaBytes: null },
  { address: 'small@sluice.test', quotaBytes: 2000 },
  { address: '"../odd"@sluice.test', quotaBytes: null },
]

type State = {
  mailbox: Mailbox
  port: number
  /** Has said LHLO. */
  client: LmtpClient
  registry: ReturnType<typeof createMetrics>
  /** Not there until the first mail. */
  directory: string
  /** What its clock says, ms. */
  clock: number
  logged: string[]
}

export type MailboxOfTest = State & {
  /** Another client, which has said LHLO. */
  connect: () => Promise<LmtpClient>
  /** Ends it, and starts one with other limits in its place. */
  restart: (limits: Partial<typeof LIMITS>) => Promise<void>
  /** An account's files in `new`, or another folder of its Maildir. */
  filesOf: (account: string, kind?: string) => Promise<string[]>
  mailOf: (account: string) => Promise<string>
  /** A transaction of `client`, up to 354. */
  begin: (to?: string[]) => Promise<void>
}

export const useMailbox = (): MailboxOfTest => {
  const logged: string[] = []
  const log = createLogger({ level: 'info', service: 'mailbox', destination: { write: (line) => void logged.push(line) } })
  const start = async (limits: Partial<typeof LIMITS> = {}): Promise<void> => {
    box.registry = createMetrics('mailbox', { processFigures: false })
    box.mailbox = createMailbox({
      config: configOf(box.directory, limits),
      directory: {
        account: (address) => {
          const found = ACCOUNTS.find((account) => account.address === address)
          return found === undefined ? null : { ...found, password: null }
        },
      },
      log,
      metrics: box.registry,
      now: () => box.clock,
    })
    box.port = (await box.mailbox.listen()).port
  }
  const filesOf = async (account: string, kind = 'new'): Promise<string[]> => {
    const folder = join(box.directory, 'sluice.test', account, kind)
    return (await readdir(folder).catch(() => [])).map((name) => join(folder, name))
  }
  // The rest of it is there before each test.
  const box = {
    logged,
    connect: async () => {
      const fresh = await lmtpClient(box.port)
      expect(await fresh.reply()).toMatch(/^220 mx\.sluice\.test LMTP/)
      await fresh.say('LHLO client.test')
      return fresh
    },
    restart: async (limits) => {
      await box.mailbox.close()
      await start(limits)
    },
    filesOf,
    mailOf: async (account) => readFile((await filesOf(account))[0] ?? '', 'utf8'),
    begin: async (to = ['<ben@sluice.test>']) => {
      await box.client.say('MAIL FROM:<s@example.org>')
      for (const address of to) await box.client.say(`RCPT TO:${address}`)
      expect(await box.client.say('DATA')).toMatch(/^354/)
    },
  } as MailboxOfTest
  beforeEach(async () => {
    box.directory = join(await mkdtemp(join(tmpdir(), 'sluice-mail-')), 'not', 'there', 'yet')
    box.clock = Date.now()
    logged.length = 0
    await start()
    box.client = await box.connect()
  })
  afterEach(async () => {
    box.client.close()
    await box.mailbox.close()
    await rm(join(box.directory, '..', '..', '..'), { recursive: true, force: true })
  })
  return box
}
