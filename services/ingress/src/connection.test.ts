/** Connections: limits, time, shutdown, and what else comes in on an open port. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { describe, expect, it, vi } from 'vitest'
import { beginData, greetedClient, openClient, openTlsClient, sendMessage } from './test-support/client.ts'
import { useIngress } from './test-support/harness.ts'

const { running, start, greeted } = useIngress()

describe('limits', () => {
  it('R-limits: recipients beyond the limit get 452 4.5.3, the others stay', async () => {
    const client = await greeted({ limits: { recipients: 100 } })
    await client.ask('MAIL FROM:<a@b.test>')
    for (let i = 0; i < 100; i++) expect(await client.ask(`RCPT TO:<r${i}@sluice.test>`)).toMatch(/^250 /)
    expect(await client.ask('RCPT TO:<r100@sluice.test>')).toMatch(/^452 4\.5\.3 /)
    await client.ask('DATA')
    client.write('Subject: x\r\n\r\n.\r\n')
    expect(await client.reply()).toMatch(/^250 /)
    expect(running.accepted[0]?.envelope.to.length).toBe(100)
    client.end()
  })

  it('R-limits: a command line too long is 500 5.5.2, and the next one works', async () => {
    const client = await greeted()
    expect(await client.ask(`NOOP ${'x'.repeat(2041)}`)).toMatch(/^250 /)
    expect(await client.ask(`NOOP ${'x'.repeat(2045)}`)).toMatch(/^500 5\.5\.2 /)
    expect(await client.ask(`NOOP ${'x'.repeat(20_000)}`)).toMatch(/^500 5\.5\.2 /)
    expect(await client.ask('NOOP')).toMatch(/^250 /)
    client.end()
  })

  it('R-limits: too many errors and too many no-ops end with 421', async () => {
    const { port } = await start({ limits: { errors: 3, noops: 5 } })
    const wrong = await greetedClient(port)
    for (let i = 0; i < 2; i++) expect(await wrong.ask('FOO')).toMatch(/^500 /)
    wrong.write('FOO\r\n')
    expect(await wrong.reply()).toMatch(/^500 /)
    expect(await wrong.reply()).toMatch(/^421 4\.7\.0 /)
    await wrong.closed
    const idle = await greetedClient(port)
    for (let i = 0; i < 5; i++) idle.write('NOOP\r\n')
    const replies: string[] = []
    for (let i = 0; i < 6; i++) replies.push((await idle.reply()).slice(0, 3))
    expect(replies).toEqual(['250', '250', '250', '250', '250', '421'])
    await idle.closed
  })

  it('R-limits: connections in all and per client are 421', async () => {
    const { port } = await start({ limits: { connectionsPerClient: 2, connections: 3 } })
    const first = await greetedClient(port)
    const second = await greetedClient(port)
    const third = openClient(port)
    expect(await third.reply()).toMatch(/^421 4\.7\.0 /)
    await third.closed
    first.end()
    await first.closed
    await vi.waitFor(async () => (await greetedClient(port)).end())
    second.end()
    await running.stop()
    const { port: all } = await start({ limits: { connections: 1 } })
    const only = await greetedClient(all)
    expect(await openClient(all).reply()).toMatch(/^421 4\.3\.2 /)
    only.end()
  })

  it('R-limits: a client that begins TLS handshakes and leaves them keeps nobody else out, and frees its places', async () => {
    const limits = { connectionsPerClient: 2, connections: 3 }
    const { port } = await start({ tls: true, listener: { implicitTls: true }, limits })
    const silent = [openClient(port), openClient(port)]
    await Promise.all(silent.map(({ socket }) => once(socket, 'connect')))
    await openClient(port).closed
    const other = connectTls({
      socket: connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' }),
      rejectUnauthorized: false,
    })
    expect(String((await once(other, 'data'))[0])).toMatch(/^220 /)
    other.destroy()
    for (const { socket } of silent) socket.resetAndDestroy()
    await vi.waitFor(async () => {
      const client = openTlsClient(port)
      expect(await client.reply()).toMatch(/^220 /)
      client.end()
    })
    const two = [openTlsClient(port), openTlsClient(port)]
    await Promise.all(two.map((client) => client.reply()))
    const third = openTlsClient(port)
    expect(await third.reply()).toMatch(/^421 4\.7\.0 /)
    for (const client of [...two, third]) client.end()
  })

  it('R-limits: silence ends with 421 4.4.2, in a command and in DATA, and leaves nothing', async () => {
    const { port } = await start({ limits: { idleMs: 150 } })
    const silent = await greetedClient(port)
    const half = await greetedClient(port)
    await beginData(half)
    half.write('Subject: x\r\n')
    expect(await silent.reply()).toMatch(/^421 4\.4\.2 /)
    expect(await half.reply()).toMatch(/^421 4\.4\.2 /)
    await Promise.all([silent.closed, half.closed])
    await vi.waitFor(() => expect(running.aborted.length).toBe(1))
    expect(running.open.size).toBe(0)
  })

  it('R-limits: a slow sender is ended when the session is over, a message being stored gets its reply', async () => {
    const { port } = await start({ limits: { sessionMs: 300 } })
    const slow = await greetedClient(port)
    await beginData(slow)
    const dripping = setInterval(() => slow.write('x'), 20)
    const { accept } = running.parts
    running.parts.accept = async (message) => {
      await slow.closed
      await accept(message)
    }
    const storing = await greetedClient(port)
    const reply = sendMessage(storing, 'Subject: x\r\n\r\nx')
    expect(await slow.reply()).toMatch(/^421 4\.4\.2 /)
    clearInterval(dripping)
    expect(await reply).toMatch(/^250 /)
    storing.end()
  })

  it('R-limits: garbage ends with 421, with line ends and without', async () => {
    const { port } = await start()
    const lines = openClient(port)
    await lines.reply()
    lines.write(Buffer.from('\x16\x03\x01\x02\0garbage\n'.repeat(50), 'latin1'))
    let last = ''
    for (let i = 0; i < 21; i++) last = await lines.reply()
    expect(last).toMatch(/^421 4\.7\.0 /)
    await lines.closed
    const endless = openClient(port)
    await endless.reply()
    endless.write(Buffer.alloc(100_000, 0x41))
    expect(await endless.reply()).toMatch(/^500 5\.5\.2 /)
    expect(await endless.reply()).toMatch(/^421 4\.7\.0 /)
    await endless.closed
  })

  it('R-limits: counters have bounded labels and count what happened', async () => {
    const client = await greeted()
    await client.ask('FOO')
    await sendMessage(client, 'Subject: x\r\n\r\nx')
    const text = await running.metrics.metrics()
    expect(text).toContain('sluice_events_total{event="connection",reason=""} 1')
    expect(text).toContain('sluice_events_total{event="rejection",reason="syntax"} 1')
    expect(text).toContain('sluice_events_total{event="reception",reason=""} 1')
    expect(text).toContain('sluice_ingress_received_total{listener="smtp"} 1')
    client.end()
    await vi.waitFor(async () => expect(await running.metrics.metrics()).toContain('connections_open{listener="smtp"} 0'))
  })
})

describe('shutdown', () => {
  it('R-shutdown: idle and new clients get 421 4.3.2 at once, a running transaction finishes first', async () => {
    const { port } = await start()
    const idle = await greetedClient(port)
    const busy = await greetedClient(port)
    await beginData(busy)
    const closing = running.ingress.close(10_000)
    expect(await idle.reply()).toMatch(/^421 4\.3\.2 /)
    const late = openClient(port)
    expect(await late.reply()).toMatch(/^421 4\.3\.2 /)
    busy.write('Subject: x\r\n\r\nx\r\n.\r\n')
    expect(await busy.reply()).toMatch(/^250 2\.0\.0 queued as /)
    expect(await busy.reply()).toMatch(/^421 4\.3\.2 /)
    await closing
    expect(running.accepted.length).toBe(1)
  })

  it('R-shutdown: when the grace time is over, the rest is ended and nothing is left', async () => {
    const { port } = await start()
    const busy = await greetedClient(port)
    await beginData(busy)
    const before = performance.now()
    await running.ingress.close(100)
    expect(performance.now() - before).toBeLessThan(2000)
    await busy.closed
    await vi.waitFor(() => expect(running.aborted.length).toBe(1))
    expect(running.accepted.length).toBe(0)
  })
})
