/**
 * Behind load balancers that nobody here wrote: HAProxy passes connections on with the PROXY protocol, versions 1 and 2, and swaks
 * speaks it by itself. The client's address decides, not the balancer's; one that a balancer hides is a stranger's.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCertificate, freePort, startProgram, waitForPort } from '@sluice/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, type Result, runProgram } from './support/gateway.ts'
import { allTo, useFarEnd, useSluice, useStarted } from './support/scene.ts'

const BALANCER = '127.0.0.1'
const FRIEND = '127.0.0.3'
const STRANGER = '127.0.0.2'

let folder: string
const ports = { proxied: 0, implicit: 0, v1: 0, v2: 0, tls: 0, blind: 0 }

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-proxy-'))
  const { cert, key } = await createCertificate()
  await writeFile(join(folder, 'cert.pem'), cert)
  await writeFile(join(folder, 'key.pem'), key)
  for (const name of Object.keys(ports)) ports[name as keyof typeof ports] = await freePort()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const far = useFarEnd()
const sluice = useSluice(() => {
  const tls = `tls: { certFile: ${folder}/cert.pem, keyFile: ${folder}/key.pem }`
  const proxy = `proxy: { trusted: [${BALANCER}, "2001:db8::/32"] }`
  return `
trustedNetworks: [${FRIEND}]
listeners:
  - { name: smtp, listen: "127.0.0.1:$SMTP" }
  - { name: proxied, listen: "127.0.0.1:${ports.proxied}", ${tls}, ${proxy} }
  - { name: implicit, listen: "127.0.0.1:${ports.implicit}", ${tls}, ${proxy}, implicitTls: true }
domains: [{ name: own.test, route: local, postmaster: anna@own.test }]
accounts: [{ address: anna@own.test }]
${allTo(far)}
`
})

/** Checks with LOCAL headers whether the ports serve, and passes nothing on before they do. */
useStarted(async () => {
  const passing = (name: keyof typeof ports, to: number, more: string): string =>
    `listen ${name}\n  bind 127.0.0.1:${ports[name]}\n  server ingress 127.0.0.1:${to} source ${BALANCER} ${more}\n`
  const checks = 'check check-send-proxy inter 100ms rise 1'
  const file = join(folder, 'haproxy.cfg')
  await writeFile(
    file,
    `defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n  option smtpchk EHLO balancer.test\n
${passing('v1', ports.proxied, `send-proxy ${checks}`)}
${passing('v2', ports.proxied, `send-proxy-v2 proxy-v2-options crc32c,unique-id ${checks}`)}
${passing('tls', ports.implicit, 'send-proxy-v2')}
${passing('blind', sluice.smtpPort, '')}`,
  )
  const program = await startProgram('haproxy', ['-db', '-f', file])
  await waitForPort(ports.v1, program)
  return { stop: () => program.stop('SIGTERM') }
})

const swaks = (port: number, to: string, ...args: string[]): Promise<Result> =>
  runProgram('swaks', ['--server', '127.0.0.1', '--port', String(port), '--from', 'a@far.test', '--to', to, ...args])

/** Until HAProxy has seen by its checks that the port behind serves. */
const through = async (port: number, from: string, to: string, ...args: string[]): Promise<Result> => {
  let last: Result | undefined
  await eventually('a conversation through the balancer', async () => {
    last = await swaks(port, to, '--local-interface', from, ...args)
    return last.code === 0 || last.stdout.includes('550') ? last : null
  })
  return last as Result
}

const spoken = (source: string, family = 'TCP4', target = '127.0.0.1'): string[] => [
  ...['--proxy-family', family, '--proxy-source', source, '--proxy-source-port', '50000'],
  ...['--proxy-dest', target, '--proxy-dest-port', '25'],
]

const connectionsOf = (client: string) => sluice.events('connection').filter((line) => line.client === client)

describe('HAProxy in front', () => {
  it.each(['v1', 'v2'] as const)('R-relay: %s: the client behind it decides who may relay', async (name) => {
    const friend = await through(ports[name], FRIEND, 'ok@far.test')
    expect(friend).toMatchObject({ code: 0 })
    expect(friend.stdout).toMatch(/250 2\.0\.0 queued as/)
    const stranger = await through(ports[name], STRANGER, 'ok@far.test')
    expect(stranger.stdout).toMatch(/<[~*]+\*? 550 5\.7\.1 /)
    expect(await through(ports[name], STRANGER, 'anna@own.test', '--tls')).toMatchObject({ code: 0 })
    expect(connectionsOf(STRANGER).every(({ via }) => via === BALANCER)).toBe(true)
    const received = await eventually('the message', () => far.messages[0])
    expect(String(received.content)).toContain(`[${FRIEND}]`)
  })

  it('TLS from the first byte passes through it', async () => {
    expect(await through(ports.tls, FRIEND, 'ok@far.test', '--tls-on-connect')).toMatchObject({ code: 0 })
  })

  it('R-relay: without the protocol it hides its clients, and they are told 550 5.7.1, whoever they are', async () => {
    for (const from of [FRIEND, STRANGER]) {
      const hidden = await through(ports.blind, from, 'ok@far.test')
      expect(hidden.code).toBe(24)
      expect(hidden.stdout).toMatch(/<[~*]+\*? 550 5\.7\.1 /)
    }
    const direct = await swaks(sluice.smtpPort, 'ok@far.test', '--local-interface', FRIEND)
    expect(direct).toMatchObject({ code: 0 })
  })
})

describe('swaks speaks it', () => {
  it.each([
    ['1', spoken(FRIEND)],
    ['2', spoken(FRIEND, 'AF_INET')],
  ])('version %s, and STARTTLS behind it', async (version, words) => {
    const { code, stdout } = await swaks(ports.proxied, 'ok@far.test', '--proxy-version', version, ...words, '--tls')
    expect(stdout).toMatch(/TLS started/)
    expect(code).toBe(0)
  })

  it.each([
    ['1', 'TCP6'],
    ['2', 'AF_INET6'],
  ])('version %s with IPv6', async (version, family) => {
    const words = spoken('2001:db8::7', family, '2001:db8::1')
    expect(await swaks(ports.proxied, 'anna@own.test', '--proxy-version', version, ...words)).toMatchObject({ code: 0 })
    await eventually('its line in the log', () => connectionsOf('2001:db8::7').length > 0)
  })

  it('R-relay: in vain, where nobody trusts it: no word of the header is taken', async () => {
    for (const version of ['1', '2']) {
      const words = spoken(FRIEND, version === '1' ? 'TCP4' : 'AF_INET')
      const from = ['--local-interface', STRANGER]
      for (const port of [ports.proxied, sluice.smtpPort]) {
        const { code, stdout } = await swaks(port, 'ok@far.test', ...from, '--proxy-version', version, ...words)
        expect(code).not.toBe(0)
        expect(stdout).toMatch(/421 4\.3\.5 no PROXY header is taken/)
      }
    }
  })

  it('a balancer that says nothing is refused', async () => {
    const { code, stdout } = await swaks(ports.proxied, 'anna@own.test', '--timeout', '20')
    expect(code).not.toBe(0)
    expect(stdout).toMatch(/421 4\.3\.5 expected a PROXY header/)
  })
})
