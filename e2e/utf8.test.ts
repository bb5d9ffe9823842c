/** UTF-8 addresses and headers (RFC 6531) end to end: unharmed to whoever offers SMTPUTF8, never raw to whoever does not. */
import { describe, expect, it } from 'vitest'
import { eventually } from './support/gateway.ts'
import { awaitMails, mailsOf } from './support/maildir.ts'
import { useFarEnd, usePython, useSluice } from './support/scene.ts'
import { submit } from './support/wire.ts'
import { runPython } from './tools/python.ts'

type Reading = {
  parts: string[]
  headers: Record<string, string>
  text: string
  status: Record<string, string>[]
  returned: { headers: Record<string, string>; body: string | null }
  defects: string[]
}

const python = usePython()
const modern = useFarEnd()
const old = useFarEnd({ extensions: ['PIPELINING', 'SIZE 1000000', '8BITMIME', 'DSN'] })
const sluice = useSluice(
  () => `
domains: [{ name: own.test, route: local, postmaster: anna@own.test }]
accounts: [{ address: anna@own.test }, { address: jürgen@own.test }]
routes:
  - { name: modern, match: [modern.test, bücher.test], type: smtp, hosts: ["127.0.0.1:${modern.port}"] }
  - { name: old, match: [old.test, käse.test], type: smtp, hosts: ["127.0.0.1:${old.port}"] }
`,
)

const contentFrom = (from: string, subject: string): string =>
  [
    `From: <${from}>`,
    'To: <someone@modern.test>',
    'Date: Sun, 22 Nov 2026 12:00:00 +0000',
    'Message-ID: <1@client.test>',
    `Subject: ${subject}`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    'Grüße aus Köln',
    '',
  ].join('\r\n')

const PARAMETERS = ' BODY=8BITMIME SMTPUTF8'
const read = async (mail: string): Promise<Reading> =>
  JSON.parse(await runPython(python, 'read-notice.py', Buffer.from(mail))) as Reading

describe('SMTPUTF8', () => {
  it('R-utf8: a far end that offers it gets addresses, header and content unharmed; domains travel as A-labels', async () => {
    const content = contentFrom('jürgen@own.test', 'Grüße')
    const to = ['müller@modern.test', 'müller@bücher.test']
    const id = await submit(sluice.smtpPort, { from: 'jürgen@own.test', to, content, parameters: PARAMETERS })
    const [message] = await modern.received(1)
    expect(message).toMatchObject({ from: 'jürgen@own.test', parameters: expect.stringMatching(/\bSMTPUTF8\b/) as string })
    expect(message?.recipients.map(({ address }) => address)).toEqual(['müller@modern.test', 'müller@xn--bcher-kva.test'])
    const text = message?.content.toString() ?? ''
    expect(text.slice(text.indexOf('From: '))).toBe(content)
    expect(text).toMatch(new RegExp(`^Received: [^;]*with UTF8SMTP\\r\\n\\tid ${id}`))
  })

  it('R-utf8: to a far end without it the mail bounces 5.6.7, and the notice can be read', async () => {
    const content = contentFrom('jürgen@own.test', 'Grüße')
    const mail = { from: 'jürgen@own.test', to: ['müller@old.test'], content, parameters: PARAMETERS }
    await submit(sluice.smtpPort, mail)
    // Folders have ASCII names.
    const [notice] = await awaitMails(sluice.folder, 'j%C3%BCrgen@own.test', 1)
    const reading = await read(notice ?? '')
    expect(reading.defects).toEqual([])
    expect(reading.parts).toEqual(['text/plain', 'message/global-delivery-status', 'message/global'])
    expect(reading.status[1]).toMatchObject({ 'Final-Recipient': 'utf-8; müller@old.test', Action: 'failed', Status: '5.6.7' })
    expect(reading.text).toContain('müller@old.test')
    expect(reading.returned.headers).toMatchObject({ subject: 'Grüße' })
    expect(reading.returned.body?.trim()).toBe('Grüße aus Köln')
  })

  it('R-utf8: a UTF-8 header is enough, and a sender with an ASCII address reads the notice as well', async () => {
    const content = contentFrom('anna@own.test', 'Grüße')
    await submit(sluice.smtpPort, { from: 'anna@own.test', to: ['ok@old.test'], content, parameters: PARAMETERS })
    const [notice] = await awaitMails(sluice.folder, 'anna@own.test', 1)
    const reading = await read(notice ?? '')
    expect(reading.defects).toEqual([])
    expect(reading.status[1]).toMatchObject({ Action: 'failed', Status: '5.6.7' })
    expect(reading.status[1]?.['Final-Recipient']).toMatch(/; ok@old\.test$/)
    expect(old.messages).toEqual([])
    expect(old.connections.flatMap(({ commands }) => commands).filter((line) => /^(MAIL|RCPT)/.test(line))).toEqual([])
  })

  it('R-utf8: a domain alone needs no SMTPUTF8: its A-label goes to everybody', async () => {
    const content = contentFrom('anna@own.test', 'Hello')
    const id = await submit(sluice.smtpPort, { from: 'anna@own.test', to: ['ok@käse.test'], content, parameters: PARAMETERS })
    const [message] = await old.received(1)
    expect(message?.recipients).toEqual([{ address: 'ok@xn--kse-qla.test', parameters: '' }])
    expect(message?.parameters).not.toContain('SMTPUTF8')
    const text = message?.content.toString() ?? ''
    expect(text.slice(text.indexOf('From: '))).toBe(content)
    await eventually('the delivery', () => sluice.events('delivery').find((line) => line.id === id))
    expect(await mailsOf(sluice.folder, 'anna@own.test')).toHaveLength(1)
    // The trace field must not bring back what the far end cannot read.
    expect(text.slice(0, text.indexOf('From: '))).toMatch(/^\p{ASCII}*$/u)
  })
})
