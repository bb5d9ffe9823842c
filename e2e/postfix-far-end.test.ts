/** Postfix receives what Sluice delivers: byte for byte, with TLS and AUTH, and with its refusals. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCertificate } from '@sluice/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDovecot } from './support/dovecot.ts'
import { eventually } from './support/gateway.ts'
import { fromLine, type MailPostfix, startMailPostfix } from './support/postfix-mail.ts'
import { useSluice, useStarted } from './support/scene.ts'
import { submit } from './support/wire.ts'

const USERS = ['anna', 'ben', 'carl', 'sender', 'dots', 'eight', 'long', 'jürgen']
const SIZE_LIMIT = 1_000_000

let secrets: string
let files: Record<string, string>
beforeAll(async () => {
  secrets = await mkdtemp(join(tmpdir(), 'sluice-secrets-'))
  await writeFile(join(secrets, 'password'), 'sesame and a space\n')
  const certificate = await createCertificate()
  files = { 'tls.pem': certificate.cert, 'tls.key': certificate.key }
})
afterAll(() => rm(secrets, { recursive: true, force: true }))

const TLS = {
  smtpd_tls_cert_file: '$FOLDER/config/tls.pem',
  smtpd_tls_key_file: '$FOLDER/config/tls.key',
  smtpd_tls_received_header: 'yes',
}
const dovecot = useStarted(() => startDovecot({ users: { relay: 'sesame and a space' } }))
const plain = useStarted(() =>
  startMailPostfix('far.test', USERS, { ...TLS, smtpd_tls_security_level: 'may', message_size_limit: String(SIZE_LIMIT) }, files),
)
const strict = useStarted(() =>
  startMailPostfix(
    'strict.test',
    USERS,
    {
      ...TLS,
      smtpd_tls_security_level: 'encrypt',
      smtpd_tls_auth_only: 'yes',
      smtpd_hard_error_limit: '3',
      smtpd_error_sleep_time: '0',
      smtpd_sasl_auth_enable: 'yes',
      smtpd_sasl_type: 'dovecot',
      smtpd_sasl_path: dovecot.authSocket,
      smtpd_sasl_authenticated_header: 'yes',
      smtpd_relay_restrictions: 'permit_sasl_authenticated, reject',
    },
    files,
  ),
)
const sluice = useSluice(
  () => `
routes:
  - { name: plain, match: [far.test], type: smtp, hosts: ["127.0.0.1:${plain.port}"] }
  - name: strict
    match: [strict.test]
    type: smtp
    tls: required
    hosts: ["127.0.0.1:${strict.port}"]
    auth: { user: relay, passwordFile: ${secrets}/password }
`,
)

const HEAD = [
  'From: <sender@far.test>',
  'To: <anna@far.test>',
  'Date: Sun, 22 Nov 2026 12:00:00 +0000',
  'Message-ID: <1@client.test>',
  'MIME-Version: 1.0',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: 8bit',
].join('\r\n')
const content = (body: string): string => `${HEAD}\r\n\r\n${body}\r\n`
const arrived = async (far: MailPostfix, user: string): Promise<string> => {
  const [mail] = await far.mails(user)
  return fromLine(mail ?? Buffer.from(''), 'From: <sender').toString()
}

describe('Postfix as far end', () => {
  it('R-dots: lines of dots arrive as they were sent', async () => {
    const mail = content(['.', '..', '...', '.a', 'a.', ' .', '.'.repeat(998), '', '.'].join('\r\n'))
    await submit(sluice.smtpPort, { from: 'sender@far.test', to: ['dots@far.test'], content: mail })
    expect(await arrived(plain, 'dots')).toBe(mail)
  })

  it('R-8bit: 8-bit content arrives as it was sent', async () => {
    const mail = content('Grüße aus Köln: äöüß €\r\n\ttabs and trailing blanks  \r\n')
    const parameters = ' BODY=8BITMIME'
    await submit(sluice.smtpPort, { from: 'sender@far.test', to: ['eight@far.test'], content: mail, parameters })
    expect(await arrived(plain, 'eight')).toBe(mail)
  })

  it('R-dots: lines of 998 octets arrive in one piece', async () => {
    const mail = content(Array.from({ length: 300 }, (_, i) => String(i % 10).repeat(998)).join('\r\n'))
    await submit(sluice.smtpPort, { from: 'sender@far.test', to: ['long@far.test'], content: mail })
    expect(await arrived(plain, 'long')).toBe(mail)
  })

  it('R-tls: encrypts where it is offered, and where it is demanded logs in too', async () => {
    const id = await submit(sluice.smtpPort, { from: 'sender@far.test', to: ['carl@strict.test'], content: content('strict') })
    const [mail] = await strict.mails('carl')
    const top = mail?.subarray(0, mail.indexOf('From: <sender')).toString()
    expect(top).toMatch(/by postfix\.test \(Postfix\) with ESMTPSA/)
    expect(top).toMatch(/using TLSv1\.3/)
    expect(top).toContain('(Authenticated sender: relay)')
    expect(top).toContain(`id ${id}`)
    const [dots] = await plain.mails('dots')
    expect(dots?.toString()).toMatch(/using TLSv1\.3[\s\S]*with ESMTPS /)
  })

  it('R-partial: the one it refuses gets an outcome of its own, the others the mail once', async () => {
    const to = ['anna@far.test', 'nobody@far.test', 'ben@far.test']
    const mail = content('to three')
    const id = await submit(sluice.smtpPort, { from: 'carl@far.test', to, content: mail })
    for (const user of ['anna', 'ben']) expect(await arrived(plain, user)).toBe(mail)
    const [notice] = await plain.mails('carl')
    expect(notice?.toString()).toContain('Final-Recipient: rfc822; nobody@far.test')
    expect(notice?.toString()).toContain('Status: 5.1.1')
    expect(notice?.toString()).not.toContain('Final-Recipient: rfc822; anna@far.test')
    const fates = ['anna@far.test delivered', 'ben@far.test delivered', 'nobody@far.test bounced']
    await eventually(
      `in the trace of ${id}: ${fates.join(', ')}`,
      async () => {
        const { stdout } = await sluice.cli('trace', id)
        return fates.every((fate) => stdout.includes(fate))
      },
      5000,
    )
    expect([await plain.count('anna'), await plain.count('ben')]).toEqual([1, 1])
  })

  it('R-dsn-pass: Postfix makes the success report that was asked for, with envelope ID and original recipient', async () => {
    const id = await submit(sluice.smtpPort, {
      from: 'sender@far.test',
      to: ['anna@far.test'],
      content: content('please report'),
      parameters: ' RET=HDRS ENVID=QQ+2B1',
      rcptParameters: ' NOTIFY=SUCCESS ORCPT=rfc822;shop+2Banna@shop.test',
    })
    const [report] = await plain.mails('sender')
    const text = report?.toString() ?? ''
    expect(text).toContain('Reporting-MTA: dns; postfix.test')
    expect(text).toContain('Original-Envelope-Id: QQ+1')
    expect(text).toMatch(/Original-Recipient: rfc822; ?shop\+anna@shop\.test/)
    expect(text).toContain('Action: delivered')
    await eventually('the delivery', () => sluice.events('delivery').find((line) => line.id === id))
    expect(sluice.events('notice').filter((line) => line.id === id)).toEqual([])
  })

  it('R-outcome: a message beyond its SIZE bounces 5.3.4 without being sent', async () => {
    const mail = content(`${'x'.repeat(900)}\r\n`.repeat(1200))
    const id = await submit(sluice.smtpPort, { from: 'ben@strict.test', to: ['anna@far.test'], content: mail })
    const [notice] = await strict.mails('ben')
    expect(notice?.toString()).toContain('Status: 5.3.4')
    await eventually('the bounce', () => sluice.events('bounce').find((line) => line.id === id && line.status === '5.3.4'))
    expect(await plain.log()).not.toContain('message size')
  })

  it('R-utf8: a UTF-8 local part and header reach it as they are', async () => {
    const mail = content('Grüße').replace('Date:', 'Subject: Grüße\r\nDate:')
    const parameters = ' BODY=8BITMIME SMTPUTF8'
    await submit(sluice.smtpPort, { from: 'sender@far.test', to: ['jürgen@far.test'], content: mail, parameters })
    expect(await arrived(plain, 'jürgen')).toBe(mail)
    expect((await plain.mails('jürgen'))[0]?.toString()).toMatch(/with UTF8SMTPS/)
  })

  it('R-outcome: when it hangs up over too many unknown users, those it judged have their outcome, the others their next attempt', async () => {
    const bad = ['w', 'x', 'y', 'z'].map((local) => `${local}@strict.test`)
    const good = ['anna@strict.test', 'ben@strict.test']
    const mail = { from: 'eight@far.test', to: [...bad, ...good], content: content('to six') }
    const id = await submit(sluice.smtpPort, mail)
    const settled = (event: string) => sluice.events(event).filter((line) => line.id === id)
    // Over a connection that was kept open the rest is tried again at once, over a new one: there is no deferral.
    await eventually('all outcomes', () => settled('deferral').length === 3 || settled('delivery').length === 2)
    await sluice.setClock(3 * 3_600_000)
    await eventually('the deliveries', () => settled('delivery').length === 2)
    expect(settled('delivery').map(({ to }) => to)).toEqual(good)
    expect(settled('bounce').map(({ to }) => to)).toEqual(bad)
    expect(await arrived(strict, 'anna')).toBe(mail.content)
  })

  it('R-250: nothing is left in the queue', async () => {
    await eventually('an empty queue', async () => (await sluice.cli('queue')).stdout === 'The queue is empty.\n')
  })
})
