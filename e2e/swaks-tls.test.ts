/** swaks and openssl at a listener with a certificate: STARTTLS, TLS from the first byte, AUTH, and relaying after it only. */
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCertificate, freePort, type TestCertificate } from '@sluice/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, type Result, runProgram } from './support/gateway.ts'
import { allTo, useFarEnd, useSluice } from './support/scene.ts'
import { openWire } from './support/wire.ts'

const PASSWORD = 'sesame öffne dich'

let folder: string
let first: TestCertificate
let second: TestCertificate
let tlsPort: number

const useCertificate = async ({ cert, key }: TestCertificate): Promise<void> => {
  await writeFile(join(folder, 'cert.pem'), cert)
  await writeFile(join(folder, 'key.pem'), key)
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-tls-'))
  first = await createCertificate()
  second = await createCertificate()
  await useCertificate(first)
  await writeFile(join(folder, 'password'), `${PASSWORD}\n`)
  await writeFile(join(folder, 'ca.pem'), first.ca)
  tlsPort = await freePort()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const far = useFarEnd()
const sluice = useSluice(() => {
  const tls = `tls: { certFile: ${folder}/cert.pem, keyFile: ${folder}/key.pem }, auth: optional`
  return `
trustedNetworks: []
listeners:
  - { name: smtp, listen: "127.0.0.1:$SMTP", ${tls} }
  - { name: smtps, listen: "127.0.0.1:${tlsPort}", ${tls}, implicitTls: true }
domains: [{ name: own.test, route: local, postmaster: anna@own.test }]
accounts: [{ address: anna@own.test, passwordFile: ${folder}/password }]
${allTo(far)}
`
})

/** swaks from anna to `to`; its exit code, and what was said. */
const swaks = (port: number, to: string, ...args: string[]): Promise<Result> =>
  runProgram('swaks', ['--server', '127.0.0.1', '--port', String(port), '--from', 'anna@own.test', '--to', to, ...args])

const login = (mechanism: string, password = PASSWORD): string[] => [
  ...['--auth', mechanism, '--auth-user', 'anna@own.test', '--auth-password', password],
]
const verified = (): string[] => ['--tls-verify', '--tls-ca-path', join(folder, 'ca.pem')]

/** `openssl s_client` over STARTTLS; it leaves as soon as it has said QUIT. */
const openssl = (...args: string[]): Promise<Result> => {
  const words = ['s_client', '-connect', `127.0.0.1:${sluice.smtpPort}`, '-starttls', 'smtp', ...args]
  return runProgram('openssl', words, { input: 'QUIT\r\n' })
}

/** The message whose ID the reply told. */
const messageOf = async ({ stdout }: Result) => {
  const id = /250 2\.0\.0 queued as (\w+)/.exec(stdout)?.[1]
  if (id === undefined) throw new Error(`not queued: ${stdout}`)
  return eventually('the message', () => far.messages.find(({ content }) => content.includes(`id ${id}`)))
}

describe('TLS and AUTH', () => {
  it('R-relay: strangers may write to own domains, over STARTTLS too, and to nobody else', async () => {
    const own = await swaks(sluice.smtpPort, 'anna@own.test', '--tls', ...verified())
    expect(own.stdout).toMatch(/TLS started with cipher TLSv1\.3/)
    expect(own).toMatchObject({ code: 0 })
    for (const args of [['--tls'], []]) {
      const { code, stdout } = await swaks(sluice.smtpPort, 'ok@far.test', ...args)
      expect(code).toBe(24)
      expect(stdout).toMatch(/<[~*]+\*? 550 5\.7\.1 /)
    }
  })

  for (const mechanism of ['PLAIN', 'LOGIN']) {
    it(`R-relay: an account that has logged in (${mechanism}) may relay; Received says ESMTPSA and the TLS version`, async () => {
      const result = await swaks(sluice.smtpPort, 'ok@far.test', '--tls', ...verified(), ...login(mechanism))
      expect(result.stdout).toMatch(/235 2\.7\.0 /)
      const message = await messageOf(result)
      expect(message.content.toString()).toMatch(/^Received: from [^;]* with ESMTPSA\r\n\t\(TLSv1\.3 TLS_\w+\)/)
    })
  }

  it('R-trace-headers: TLS from the first byte is ESMTPS as well, with AUTH ESMTPSA', async () => {
    const message = await messageOf(await swaks(tlsPort, 'ok@far.test', '--tlsc', ...verified(), ...login('PLAIN')))
    expect(message.content.toString()).toMatch(/^Received: from [^;]* with ESMTPSA\r\n\t\(TLSv1\.3 TLS_\w+\)/)
    const old = await messageOf(await swaks(tlsPort, 'ok@far.test', '--tlsc', '--tls-protocol', 'tlsv1_2', ...login('PLAIN')))
    expect(old.content.toString()).toMatch(/^Received: from [^;]* with ESMTPSA\r\n\t\(TLSv1\.2 [\w-]+\)/)
  })

  it('AUTH is not offered, and not taken, in the clear; a wrong password is told 535', async () => {
    const clear = await swaks(sluice.smtpPort, 'ok@far.test', ...login('PLAIN'))
    expect(clear.code).toBe(28)
    expect(clear.stdout).not.toMatch(/^<-\s+250.AUTH/m)
    expect(clear.stdout).toMatch(/^<-\s+250.STARTTLS/m)
    const wire = await openWire(sluice.smtpPort)
    const replies = await wire.say('EHLO client.test', 'AUTH PLAIN AGFubmFAb3duLnRlc3QAeA==')
    expect(replies[1]).toMatch(/^538 5\.7\.11 /)
    wire.close()
    for (const mechanism of ['PLAIN', 'LOGIN']) {
      const { code, stdout } = await swaks(sluice.smtpPort, 'ok@far.test', '--tls', ...login(mechanism, 'wrong'))
      expect(code).toBe(28)
      expect(stdout).toMatch(/535 5\.7\.8 /)
    }
    expect(sluice.output()).not.toContain(PASSWORD)
  })

  it('openssl speaks to it, and TLS below 1.2 is refused', async () => {
    const modern = await openssl('-CAfile', join(folder, 'ca.pem'), '-verify_return_error')
    expect(modern.code).toBe(0)
    expect(modern.stdout).toContain('Verify return code: 0 (ok)')
    for (const version of ['-tls1', '-tls1_1']) {
      // Debian's own openssl refuses these as well, unless it is told not to care.
      const { code, stderr } = await openssl(version, '-cipher', 'ALL:@SECLEVEL=0')
      expect(code).not.toBe(0)
      expect(stderr).toMatch(/alert protocol version/)
    }
  })

  it('clients that leave in the moment of their handshake cost nobody else anything', async () => {
    const ingress = sluice.pidOf('ingress')
    for (let i = 0; i < 6; i++) await Promise.all([openssl(), openssl('-tls1_2'), openssl()])
    expect(await swaks(sluice.smtpPort, 'anna@own.test', '--tls', ...verified())).toMatchObject({ code: 0 })
    expect(sluice.log().filter(({ level }) => level === 'error')).toEqual([])
    expect(sluice.pidOf('ingress')).toBe(ingress)
  })

  it('a renewed certificate is used without a restart', async () => {
    const verify = async (): Promise<boolean> => {
      const args = ['s_client', '-connect', `127.0.0.1:${tlsPort}`, '-CAfile', join(folder, 'new-ca.pem')]
      return (await runProgram('openssl', args, { input: 'QUIT\r\n' })).stdout.includes('Verify return code: 0 (ok)')
    }
    await writeFile(join(folder, 'new-ca.pem'), second.ca)
    expect(await verify()).toBe(false)
    await useCertificate(second)
    await eventually('the new certificate', verify)
    await copyFile(join(folder, 'new-ca.pem'), join(folder, 'ca.pem'))
    const startTls = async (): Promise<boolean> =>
      (await swaks(sluice.smtpPort, 'anna@own.test', '--tls', ...verified())).code === 0
    await eventually('the new certificate behind STARTTLS', startTls)
  })
})
