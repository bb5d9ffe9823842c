/** Clients that nobody here wrote hand in mail: each is told `queued as ID`, and its mail arrives as it was sent. */
import { join } from 'node:path'
import type { FarEndMessage } from '@sluice/testkit'
import { createTransport } from 'nodemailer'
import { describe, expect, it } from 'vitest'
import { eventually, runProgram } from './support/gateway.ts'
import { allTo, useFarEnd, useSluice } from './support/scene.ts'

const far = useFarEnd()
const sluice = useSluice(() => allTo(far))

const HEAD = [
  'From: Anna <sender@client.test>',
  'To: Ben <ok@far.test>',
  'Date: Sun, 22 Nov 2026 12:00:00 +0000',
  'Message-ID: <1@client.test>',
  'Subject: Hello',
  'MIME-Version: 1.0',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: 8bit',
]
const mailWith = (body: string[], head: string[] = HEAD): string => [...head, '', ...body, ''].join('\r\n')
const PLAIN = mailWith(['.', '..dots', 'a line'])

/** What the far end has of the mail that this conversation put into the queue. */
const arrivalOf = async (conversation: string): Promise<FarEndMessage> => {
  const id = /queued as (\w+)/.exec(conversation)?.[1]
  if (id === undefined) throw new Error(`not queued: ${conversation}`)
  return eventually(`message ${id}`, () => far.messages.find(({ content }) => content.includes(`id ${id}`)))
}
const withoutTrace = ({ content }: FarEndMessage): string => {
  const text = content.toString()
  return text.slice(text.indexOf('From: '))
}

describe('clients', () => {
  it('R-id: curl', async () => {
    const url = `smtp://${sluice.server}/client.test`
    const args = ['-sv', url, '--mail-from', 'sender@client.test', '--mail-rcpt', 'ok@far.test', '--upload-file', '-']
    const { code, stderr } = await runProgram('curl', args, { input: PLAIN })
    expect(code).toBe(0)
    expect(withoutTrace(await arrivalOf(stderr))).toBe(PLAIN)
  })

  it('R-id: msmtp', async () => {
    const args = ['-C', '/dev/null', '-d', '--host=127.0.0.1', `--port=${sluice.smtpPort}`, '--tls=off', '--auth=off']
    const words = [...args, '--from=sender@client.test', 'ok@far.test']
    const { code, stdout } = await runProgram('msmtp', words, { input: PLAIN.replaceAll('\r\n', '\n') })
    expect(code).toBe(0)
    expect(withoutTrace(await arrivalOf(stdout))).toBe(PLAIN)
  })

  it('R-id: nodemailer, several mails over one connection', async () => {
    const transport = createTransport({ host: '127.0.0.1', port: sluice.smtpPort, pool: true, maxConnections: 1 })
    const envelope = { from: 'sender@client.test', to: ['ok@far.test', 'ok+2@far.test'] }
    try {
      for (const nth of [1, 2, 3]) {
        const { response, accepted } = await transport.sendMail({ envelope, raw: PLAIN.replace('a line', `mail ${nth}`) })
        expect(accepted).toEqual(envelope.to)
        expect(withoutTrace(await arrivalOf(response))).toBe(PLAIN.replace('a line', `mail ${nth}`))
      }
    } finally {
      transport.close()
    }
  })

  const python = async (mail: string, from: string, to: string) => {
    const words = [join(import.meta.dirname, 'tools', 'send-mail.py'), '127.0.0.1', String(sluice.smtpPort), from, to]
    const { code, stderr } = await runProgram('python3', words, { input: mail })
    expect({ code, stderr }).toMatchObject({ code: 0 })
    return { conversation: stderr, message: await arrivalOf(stderr) }
  }

  it("R-8bit: Python's smtplib, 8-bit content", async () => {
    const mail = mailWith(['Grüße aus Köln'])
    const { conversation, message } = await python(mail, 'sender@client.test', 'ok@far.test')
    expect(conversation).toMatch(/send: 'mail FROM:<sender@client\.test> size=\d+\\r\\n'/)
    expect(message.parameters).toContain('BODY=8BITMIME')
    expect(withoutTrace(message)).toBe(mail)
  })

  it("R-utf8: Python's smtplib, UTF-8 addresses and header", async () => {
    const head = HEAD.map((line) => line.replace('Anna <sender', 'Jürgen <jürgen').replace('Hello', 'Grüße'))
    const mail = mailWith(['Grüße aus Köln'], head)
    const { conversation, message } = await python(mail, 'jürgen@client.test', 'müller@far.test')
    expect(conversation).toMatch(/mail FROM:<jürgen@client\.test> size=\d+ SMTPUTF8 BODY=8BITMIME/)
    expect(message).toMatchObject({ from: 'jürgen@client.test', recipients: [{ address: 'müller@far.test' }] })
    expect(message.parameters).toMatch(/BODY=8BITMIME SMTPUTF8/)
    expect(withoutTrace(message)).toBe(mail)
  })

  it('R-250: smtp-source, 400 mails in 20 sessions at once', async () => {
    const args = ['-s', '20', '-m', '400', '-l', '5000', '-N', '-f', 'sender@client.test', '-t', 'many@far.test']
    const { code, stderr } = await runProgram('smtp-source', [...args, sluice.server])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const many = (): string[] =>
      far.messages.flatMap(({ recipients }) => recipients.map(({ address }) => address)).filter((one) => one.includes('many@'))
    await eventually('all of them', () => many().length >= 400, 60_000)
    expect([many().length, new Set(many()).size]).toEqual([400, 400])
  })
})
