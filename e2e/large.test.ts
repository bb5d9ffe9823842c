/** 25 MiB by SMTP in and out, and into a local mailbox: the same bytes, and no service takes 200 MiB for it. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type FarEnd, startFarEnd } from '@sluice/testkit'
import { describe, expect, it } from 'vitest'
import { eventually, startSluice } from './support/gateway.ts'
import { openSmtp } from './support/load.ts'
import { peakMemory } from './support/processes.ts'
import { annaAndAllTo } from './support/scene.ts'

const MIB = 2 ** 20
const LINE = `${'0123456789abcdef'.repeat(4)}\r\n`
/** Header and line ends included, just under limits.size. */
const BODY = LINE.repeat(Math.floor((25 * MIB - 1024) / LINE.length))

const sha = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex')
const bodyOf = (content: Buffer, lineEnd: string): Buffer =>
  content.subarray(content.indexOf(lineEnd + lineEnd) + 2 * lineEnd.length)

const sendLarge = async (port: number, to: string): Promise<void> => {
  const smtp = openSmtp(port)
  try {
    expect(await smtp.reply()).toMatch(/^220 /)
    const say = async (line: string): Promise<string> => {
      smtp.write(`${line}\r\n`)
      return smtp.reply()
    }
    expect(await say('EHLO client.test')).toMatch(/^250/)
    expect(await say('MAIL FROM:<large@client.test>')).toMatch(/^250/)
    expect(await say(`RCPT TO:<${to}>`)).toMatch(/^250/)
    expect(await say('DATA')).toMatch(/^354/)
    smtp.write(`Subject: large\r\n\r\n${BODY}.\r\n`)
    expect(await smtp.reply()).toMatch(/^250 2\.0\.0 queued as /)
  } finally {
    smtp.close()
  }
}

const fileContent = async (file: string): Promise<Buffer> => {
  const pieces: Buffer[] = []
  for await (const piece of createReadStream(file)) pieces.push(piece)
  return Buffer.concat(pieces)
}

const passes = async (store: 'redis' | 'file', far: FarEnd): Promise<void> => {
  const sluice = await startSluice({ config: `content: { store: ${store} }${annaAndAllTo(far)}` })
  try {
    const before = far.messages.length
    await Promise.all([sendLarge(sluice.smtpPort, 'anna@own.test'), sendLarge(sluice.smtpPort, `${store}@far.test`)])
    const messages = await far.received(before + 1, 60_000)
    expect(sha(bodyOf(messages.at(-1)?.content ?? Buffer.alloc(0), '\r\n'))).toBe(sha(BODY))
    const folder = join(sluice.folder, 'mail', 'own.test', 'anna', 'new')
    const name = await eventually('the local mail', async () => (await readdir(folder).catch(() => []))[0], 60_000)
    // A Maildir has the line ends of the machine.
    expect(sha(bodyOf(await fileContent(join(folder, name)), '\n'))).toBe(sha(BODY.replaceAll('\r\n', '\n')))
    for (const service of ['ingress', 'spooler', 'delivery-agent', 'mailbox'] as const) {
      expect(await peakMemory(sluice.pidOf(service)), `${service}, store ${store}`).toBeLessThan(200 * MIB)
    }
  } finally {
    await sluice.stop()
  }
}

describe('25 MiB', () => {
  it.each(['redis', 'file'] as const)('go through unharmed and in little memory, content.store %s', async (store) => {
    const far = await startFarEnd()
    try {
      await passes(store, far)
    } finally {
      await far.stop()
    }
  })
})
