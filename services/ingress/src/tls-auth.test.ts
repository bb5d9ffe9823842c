/** TLS and AUTH on the way in. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it, vi } from 'vitest'
import { greetedClient, openClient, openTlsClient, type RawClient, sendMessage } from './test-support/client.ts'
import { type Options, useIngress } from './test-support/harness.ts'

const { running, start, greeted } = useIngress()

const secured = async (options: Options = {}): Promise<RawClient> => {
  const client = await greeted({ tls: true, ...options })
  expect(await client.ask('STARTTLS')).toBe('220 2.0.0 go ahead')
  await client.startTls()
  return client
}
const plain = (user: string, password: string): string => Buffer.from(`\0${user}\0${password}`).toString('base64')

describe('TLS and AUTH', () => {
  it('R-trace-headers: STARTTLS starts anew, and Received says ESMTPS with version and cipher', async () => {
    const client = await secured({ listener: { auth: 'optional' } })
    expect(await client.ask('MAIL FROM:<a@b.test>')).toMatch(/^503 5\.5\.1 /)
    const offer = await client.ask('EHLO client.test')
    expect(offer).toContain('250 AUTH PLAIN LOGIN')
    expect(offer).not.toContain('STARTTLS')
    expect(await client.ask('STARTTLS')).toMatch(/^503 5\.5\.1 /)
    expect(await sendMessage(client, 'Subject: x\r\n\r\nx')).toMatch(/^250 /)
    expect(running.accepted[0]?.text).toMatch(/with ESMTPS\r\n\t\(TLSv1\.3 TLS_[A-Z0-9_]+\)\r\n\tid /)
    client.end()
  })

  it('R-order: what was sent in plain text behind STARTTLS is never carried out', async () => {
    const client = await greeted({ tls: true })
    client.write('STARTTLS\r\nEHLO injected.test\r\nMAIL FROM:<injected@far.test>\r\n')
    expect(await client.reply()).toMatch(/^220 /)
    await client.startTls()
    expect(await client.ask('MAIL FROM:<a@b.test>')).toMatch(/^503 5\.5\.1 send EHLO/)
    client.end()
  })

  it('R-relay: AUTH is offered under TLS only; who logged in may relay, and Received says ESMTPSA', async () => {
    const client = await secured({ listener: { auth: 'optional' } })
    await client.ask('EHLO client.test')
    expect(await client.ask(`AUTH PLAIN ${plain('anna@sluice.test', 'wrong')}`)).toMatch(/^535 5\.7\.8 /)
    expect(await client.ask('MAIL FROM:<a@b.test>')).toMatch(/^250 /)
    expect(await client.ask('RCPT TO:<x@far.test>')).toMatch(/^550 5\.7\.1 /)
    await client.ask('RSET')
    expect(await client.ask('AUTH LOGIN')).toBe('334 VXNlcm5hbWU6')
    expect(await client.ask(Buffer.from('anna@sluice.test').toString('base64'))).toBe('334 UGFzc3dvcmQ6')
    expect(await client.ask(Buffer.from('secret').toString('base64'))).toMatch(/^235 2\.7\.0 /)
    expect(await sendMessage(client, 'Subject: x\r\n\r\nx', ['x@far.test'])).toMatch(/^250 /)
    expect(running.accepted[0]?.text).toMatch(/ with ESMTPSA\r\n/)
    expect(running.accepted[0]?.text).toMatch(/\r\nMessage-ID: </)
    expect(JSON.stringify(running.logged)).not.toContain(Buffer.from('secret').toString('base64'))
    client.end()
  })

  it('R-relay: AUTH in plain text is refused, unoffered AUTH does not exist, required AUTH is required', async () => {
    const client = await greeted({ tls: true, listener: { auth: 'required' } })
    expect(await client.ask('EHLO again.test')).not.toContain('AUTH')
    expect(await client.ask(`AUTH PLAIN ${plain('anna@sluice.test', 'secret')}`)).toMatch(/^538 5\.7\.11 /)
    expect(await client.ask('MAIL FROM:<a@b.test>')).toMatch(/^530 5\.7\.0 /)
    await client.ask('STARTTLS')
    await client.startTls()
    await client.ask('EHLO client.test')
    expect(await client.ask(`AUTH PLAIN ${plain('anna@sluice.test', 'secret')}`)).toMatch(/^235 /)
    expect(await client.ask('AUTH LOGIN')).toMatch(/^503 5\.5\.1 /)
    expect(await client.ask('MAIL FROM:<a@b.test>')).toMatch(/^250 /)
    client.end()
  })

  it('R-banner: TLS from the first byte', async () => {
    const { port } = await start({ tls: true, listener: { implicitTls: true } })
    const client = openTlsClient(port)
    expect(await client.reply()).toBe('220 mx.sluice.test ESMTP')
    await client.ask('EHLO client.test')
    expect(await sendMessage(client, 'Subject: x\r\n\r\nx')).toMatch(/^250 /)
    expect(running.accepted[0]?.text).toContain(' with ESMTPS\r\n')
    client.end()
  })

  it('R-relay: a mechanism that is not known is 504 5.5.4, broken SASL 501 5.5.2, and the next log-in works', async () => {
    const client = await secured({ listener: { auth: 'required' } })
    await client.ask('EHLO client.test')
    expect(await client.ask('AUTH SCRAM-SHA-1 biwsbj0=')).toMatch(/^504 5\.5\.4 /)
    expect(await client.ask('AUTH PLAIN ====')).toMatch(/^501 5\.5\.2 /)
    expect(await client.ask('AUTH PLAIN')).toMatch(/^334/)
    expect(await client.ask('*')).toMatch(/^501 5\.5\.2 /)
    expect(await client.ask('AUTH LOGIN')).toMatch(/^334 /)
    expect(await client.ask('=')).toMatch(/^501 5\.5\.2 /)
    expect(await client.ask(`AUTH PLAIN ${plain('anna@sluice.test', 'secret')}`)).toMatch(/^235 2\.7\.0 /)
    client.end()
  })

  it.each([false, true])('R-limits: a failed TLS handshake is counted and logged, implicit TLS: %s', async (implicitTls) => {
    const { port } = await start({ tls: true, listener: { implicitTls } })
    const client = implicitTls ? openClient(port) : await greetedClient(port)
    if (!implicitTls) expect(await client.ask('STARTTLS')).toMatch(/^220 /)
    client.write('this is no TLS at all\r\n'.repeat(10))
    await client.closed
    const figures = async (): Promise<string> => running.metrics.metrics()
    await vi.waitFor(async () => expect(await figures()).toContain('sluice_ingress_tls_failures_total{listener="smtp"} 1'))
    expect(await figures()).toContain('sluice_events_total{event="rejection",reason="tls"} 1')
    expect(await figures()).not.toContain('connections_open{listener="smtp"} 1')
    const told = running.logged.filter(({ event, reason }) => event === 'rejection' && reason === 'tls')
    expect(told).toMatchObject([{ client: '127.0.0.1', error: expect.any(Error) }])
  })

  it('R-limits: connections over STARTTLS are given back when they end', async () => {
    const client = await secured({ limits: { connections: 1 } })
    client.end()
    await vi.waitFor(async () => expect(await running.metrics.metrics()).toContain('connections_open{listener="smtp"} 0'))
    const next = openClient(running.port)
    expect(await next.reply()).toMatch(/^220 /)
    next.end()
  })

  it('R-relay: swaks sends with STARTTLS and AUTH', async () => {
    const { port } = await start({ tls: true, listener: { auth: 'required' } })
    const options = `--server 127.0.0.1:${port} --to x@far.test --from anna@sluice.test --tls --auth PLAIN`.split(' ')
    const login = ['--auth-user', 'anna@sluice.test', '--auth-password', 'secret', '--ehlo', 'swaks.test']
    const { stdout } = await promisify(execFile)('swaks', [...options, ...login])
    expect(stdout).toMatch(/250 2\.0\.0 queued as /)
    expect(running.accepted[0]?.text).toMatch(/from swaks\.test .*\r\n\tby mx\.sluice\.test with ESMTPSA\r\n/)
  })
})
