/** Postfix relays through Sluice: its smarthost is our listener, with STARTTLS, pipelining and connections that it keeps. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCertificate, startPostfix } from '@sluice/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, runProgram } from './support/gateway.ts'
import { allTo, useFarEnd, useSluice, useStarted } from './support/scene.ts'

let folder: string
let ca: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-tls-'))
  const certificate = await createCertificate()
  await writeFile(join(folder, 'cert.pem'), certificate.cert)
  await writeFile(join(folder, 'key.pem'), certificate.key)
  ca = certificate.ca
})
afterAll(() => rm(folder, { recursive: true, force: true }))
const far = useFarEnd()
const sluice = useSluice(
  () => `
listeners:
  - { name: smtp, listen: "127.0.0.1:$SMTP", tls: { certFile: ${folder}/cert.pem, keyFile: ${folder}/key.pem } }
domains: [{ name: own.test, route: far, aliases: { anna: anna@far.test }, postmaster: anna@far.test }]
${allTo(far)}
`,
)
const postfix = useStarted(() =>
  startPostfix({
    parameters: {
      relayhost: `[127.0.0.1]:${sluice.smtpPort}`,
      smtp_tls_security_level: 'verify',
      smtp_tls_verify_cert_match: 'nexthop',
      smtp_tls_CAfile: '$FOLDER/config/ca.pem',
      smtp_tls_policy_maps: `inline:{ { [127.0.0.1]:${sluice.smtpPort} = verify match=localhost } }`,
      smtp_tls_loglevel: '1',
      smtp_connection_cache_destinations: 'static:all',
    },
    files: { 'ca.pem': ca },
  }),
)

const sendmail = async (input: string, ...args: string[]): Promise<void> => {
  const { code, stderr } = await runProgram('/usr/sbin/sendmail', ['-C', postfix.config, ...args], { input })
  if (code !== 0) throw new Error(`sendmail: ${stderr}`)
}

const said = (pattern: RegExp): Promise<string> =>
  eventually(`in Postfix's log: ${pattern}`, async () => pattern.exec(await postfix.log())?.[0])

describe('Postfix as client', () => {
  it('R-250: its mail is queued under TLS that it has verified, and goes on unharmed', async () => {
    const body = ['.', '..dots', 'Grüße', 'x'.repeat(900), ''].join('\n')
    const head = 'From: <sender@client.test>\nTo: <ok@far.test>\nSubject: from Postfix\nMIME-Version: 1.0\n'
    const type = 'Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n'
    await sendmail(`${head}${type}\n${body}`, '-i', '-f', 'sender@client.test', 'ok@far.test')
    const [message] = await far.received(1, 30_000)
    const content = message?.content.toString() ?? ''
    expect(content.endsWith(`\r\n\r\n${body.replaceAll('\n', '\r\n')}`)).toBe(true)
    expect(message?.parameters).toContain('BODY=8BITMIME')
    const id = /250 2\.0\.0 queued as (\w+)/.exec(await said(/status=sent \(250 2\.0\.0 queued as \w+\)/))?.[1]
    expect(content).toMatch(
      new RegExp(`^Received: from postfix\\.test [\\s\\S]*with ESMTPS\\r\\n\\t\\(TLSv1\\.3 [\\s\\S]*id ${id}`),
    )
    expect(await postfix.log()).toContain(`Verified TLS connection established to 127.0.0.1[127.0.0.1]:${sluice.smtpPort}`)
  })

  it('R-alias: of several pipelined recipients one is refused, and Postfix tells its sender', async () => {
    const text = 'From: <sender@client.test>\nTo: <anna@own.test>\nSubject: partial\n\nto three\n'
    await sendmail(text, '-i', '-f', 'sender@client.test', 'anna@own.test', 'nobody@own.test', 'ben@far.test')
    await said(/to=<nobody@own\.test>[^\n]*dsn=5\.1\.1, status=bounced[^\n]*550 5\.1\.1/)
    const messages = await eventually('both, and the notice', () => {
      const found = far.messages.filter(({ content }) => /Subject: (?:partial|Undelivered)/.test(content.toString()))
      return new Set(found.flatMap(({ recipients }) => recipients.map(({ address }) => address))).size === 3 && found
    })
    const got = messages.flatMap(({ recipients }) => recipients.map(({ address }) => address)).sort()
    expect(got).toEqual(['anna@far.test', 'ben@far.test', 'sender@client.test'])
  })

  it('R-250: a hundred mails at once arrive once each', async () => {
    const args = ['-s', '10', '-m', '100', '-l', '2000', '-N', '-f', 'sender@client.test', '-t', 'many@far.test']
    const { code, stderr } = await runProgram('smtp-source', [...args, `127.0.0.1:${postfix.port}`])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const many = (): string[] =>
      far.messages.flatMap(({ recipients }) => recipients.map(({ address }) => address)).filter((one) => one.includes('many@'))
    await eventually('all of them', () => many().length >= 100, 40_000)
    expect(new Set(many()).size).toBe(100)
    expect(many().length).toBe(100)
  })
})
