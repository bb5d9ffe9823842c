/** Dovecot takes mail by LMTP from Sluice, and reads the Maildir that Sluice's own mailbox service writes. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startDovecot } from './support/dovecot.ts'
import { eventually, runProgram } from './support/gateway.ts'
import { useSluice, useStarted } from './support/scene.ts'
import { submit } from './support/wire.ts'

const dovecot = useStarted(() =>
  startDovecot({ users: { 'anna@dove.test': 'a', 'ben@dove.test': 'b', 'sender@dove.test': 'c' } }),
)
const sluice = useSluice(
  () => `
domains:
  - { name: own.test, route: local, postmaster: anna@own.test }
  - { name: dove.test, route: dove, recipients: any }
accounts: [{ address: anna@own.test }]
routes: [{ name: dove, type: lmtp, hosts: ["127.0.0.1:${dovecot.port}"] }]
`,
)

const content = [
  'From: <sender@dove.test>',
  'To: <anna@dove.test>',
  'Date: Sun, 22 Nov 2026 12:00:00 +0000',
  'Message-ID: <1@client.test>',
  'Subject: Hello',
  'MIME-Version: 1.0',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: 8bit',
  '',
  '.',
  '..dots',
  'Grüße aus Köln',
  'x'.repeat(998),
  '',
].join('\r\n')

/** All mails of a user, as `doveadm fetch` prints them, one after another. */
const read = async (user: string, ...more: string[]): Promise<string> => {
  const { stdout } = await dovecot.doveadm(...more, 'fetch', '-u', user, 'text', 'mailbox', 'INBOX')
  return stdout.replaceAll('\r\n', '\n')
}
const plain = content.replaceAll('\r\n', '\n')

describe('Dovecot', () => {
  it('R-lmtp: the user it does not know gets an outcome of its own, the others the mail as it was sent', async () => {
    const to = ['anna@dove.test', 'nobody@dove.test', 'ben+shop@dove.test']
    const id = await submit(sluice.smtpPort, { from: 'sender@dove.test', to, content, parameters: ' BODY=8BITMIME' })
    for (const user of ['anna@dove.test', 'ben@dove.test']) {
      const mail = await eventually(`the mail of ${user}`, async () => (await read(user)).includes('Hello') && read(user))
      expect(mail).toContain(`\n${plain}`)
      expect(mail).toContain(`id ${id}`)
      expect(mail.match(/^Return-Path:/gm)).toHaveLength(1)
    }
    const outcomes = await eventually('three outcomes', () => {
      const found = sluice.log().filter((line) => line.id === id && (line.event === 'delivery' || line.event === 'bounce'))
      return found.length === 3 && found
    })
    expect(outcomes.map(({ event, to }) => [event, to])).toEqual([
      ['delivery', 'anna@dove.test'],
      ['bounce', 'nobody@dove.test'],
      ['delivery', 'ben+shop@dove.test'],
    ])
    expect(outcomes[1]).toMatchObject({ status: '5.1.1' })
    const notice = await eventually(
      'the notice',
      async () => (await read('sender@dove.test')).includes('5.1.1') && read('sender@dove.test'),
    )
    expect(notice).toContain('Final-Recipient: rfc822; nobody@dove.test')
    expect(notice).not.toContain('Final-Recipient: rfc822; anna@dove.test')
  })

  it('R-maildir: Dovecot reads the folder of a local account', async () => {
    const id = await submit(sluice.smtpPort, {
      from: 'sender@dove.test',
      to: ['anna@own.test'],
      content,
      parameters: ' BODY=8BITMIME',
    })
    await eventually('the delivery', () => sluice.events('delivery').find((line) => line.id === id))
    // Mail of ours belongs to whoever runs Sluice, which Dovecot's reader must not be when that is root.
    const copy = join(dovecot.folder, 'mail', 'copy')
    await cp(join(sluice.folder, 'mail', 'own.test', 'anna'), copy, { recursive: true })
    await runProgram('chown', ['-R', 'nobody:nogroup', copy])
    const mail = await read('anna@dove.test', '-o', `mail_location=maildir:${copy}`)
    expect(mail).toContain(`\n${plain}`)
    expect(mail).toMatch(
      /^text:\nReturn-Path: <sender@dove\.test>\nX-Original-To: anna@own\.test\nDelivered-To: anna@own\.test\n/,
    )
    const fields = ['fetch', '-u', 'anna@dove.test', 'hdr.subject date.sent size.physical', 'mailbox', 'INBOX']
    const { stdout } = await dovecot.doveadm('-o', `mail_location=maildir:${copy}`, ...fields)
    expect(stdout).toContain('hdr.subject: Hello')
    expect(stdout).toContain(`size.physical: ${Buffer.byteLength(mail.replace(/^text:\n/, '').trimEnd()) + 1}`)
  })
})
