/** Behind a load balancer: whose connection it passes on is taken from trusted balancers only, and never from anybody else. */
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { describe, expect, it, vi } from 'vitest'
import { openClient, type RawClient, sendMessage } from './test-support/client.ts'
import { type Options, useIngress } from './test-support/harness.ts'

const { running, start, textOf } = useIngress()

const TRUSTED: Options = { listener: { proxy: { trusted: ['127.0.0.1', '2001:db8::/32'] } } }
const V1 = 'PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n'
const SIGNATURE = '0d0a0d0a000d0a515549540a'
const V2 = Buffer.from(`${SIGNATURE}2111000cc0000207c6336401dc040019`, 'hex')
const LOCAL = Buffer.from(`${SIGNATURE}20000000`, 'hex')
const UNSPEC = Buffer.from(`${SIGNATURE}21000000`, 'hex')
const UNIX = Buffer.from(`${SIGNATURE}213100d8${'2f'.repeat(216)}`, 'hex')
const V6 = 'PROXY TCP6 2001:db8:1::7 2001:db8::1 56324 25\r\n'

/** Begins with `head`, and waits for the greeting. */
const proxied = async (port: number, head: string | Buffer): Promise<RawClient> => {
  const client = openClient(port)
  client.write(head)
  expect(await client.reply()).toMatch(/^220 /)
  await client.ask('EHLO client.test')
  return client
}

const rejections = () => running.logged.filter(({ event }) => event === 'rejection')
const connection = () => running.logged.find(({ event }) => event === 'connection')

describe('a header from a trusted balancer', () => {
  it.each([
    ['version 1', V1, '192.0.2.7'],
    ['version 1, IPv6', V6, '2001:db8:1::7'],
    ['version 2', V2, '192.0.2.7'],
    [
      'version 2 with a TLV',
      Buffer.concat([V2.subarray(0, 15), Buffer.from([0x13]), V2.subarray(16), Buffer.from('ea000401020304', 'hex')]),
      '192.0.2.7',
    ],
  ])('%s: the client it names stands in Received and in the log', async (_, head, ip) => {
    const { port } = await start(TRUSTED)
    const client = await proxied(port, head)
    expect(await sendMessage(client, 'Subject: x\r\n\r\nx')).toMatch(/^250 /)
    expect(textOf()).toContain(`[${ip.includes(':') ? 'IPv6:' : ''}${ip}]`)
    expect(textOf()).not.toContain('127.0.0.1')
    expect(connection()).toMatchObject({ client: ip, via: '127.0.0.1' })
    client.end()
  })

  it('may come in pieces', async () => {
    const { port } = await start(TRUSTED)
    const client = openClient(port)
    for (const byte of V2) {
      client.write(Buffer.from([byte]))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await client.reply()).toMatch(/^220 /)
    expect(connection()).toMatchObject({ client: '192.0.2.7' })
    client.end()
  })

  it('STARTTLS works behind it, and so does TLS from the first byte, sent in one piece with it', async () => {
    const { port } = await start({ ...TRUSTED, tls: true })
    const client = await proxied(port, V2)
    await client.ask('STARTTLS')
    await client.startTls()
    expect(await client.ask('EHLO client.test')).not.toContain('STARTTLS')
    expect(await sendMessage(client, 'Subject: x\r\n\r\nx')).toMatch(/^250 /)
    expect(textOf()).toMatch(/\[192\.0\.2\.7\]\).*with ESMTPS\r\n/s)
    client.end()
    await running.stop()
    const { port: implicit } = await start({ listener: { ...TRUSTED.listener, implicitTls: true }, tls: true })
    const socket = connectTcp(implicit, '127.0.0.1')
    socket.cork()
    socket.write(V1)
    const secure = connectTls({ socket, rejectUnauthorized: false })
    process.nextTick(() => socket.uncork())
    expect(String((await once(secure, 'data'))[0])).toMatch(/^220 /)
    expect(connection()).toMatchObject({ client: '192.0.2.7', via: '127.0.0.1' })
    secure.destroy()
  })

  it('who speaks before the greeting is still told so', async () => {
    const { port } = await start(TRUSTED)
    const client = openClient(port)
    client.write(`${V1}EHLO early.test\r\n`)
    expect(await client.reply()).toMatch(/^554 5\.5\.1 you spoke before/)
    await client.closed
    expect(rejections()).toMatchObject([{ client: '192.0.2.7', reason: 'early-talker' }])
  })

  it('R-limits: connections are counted for the client, not for the balancer, handshakes too', async () => {
    const limits = { connectionsPerClient: 1, connections: 4 }
    const { port } = await start({ ...TRUSTED, limits })
    const first = await proxied(port, V1)
    const other = await proxied(port, V1.replace('192.0.2.7', '192.0.2.8'))
    const second = openClient(port)
    second.write(V1)
    expect(await second.reply()).toMatch(/^421 4\.7\.0 too many connections from your address/)
    for (const client of [first, other, second]) client.end()
    await running.stop()
    const { port: implicit } = await start({ listener: { ...TRUSTED.listener, implicitTls: true }, tls: true, limits })
    const silent = openClient(implicit)
    silent.write(V1)
    await once(silent.socket, 'connect')
    const again = openClient(implicit)
    again.write(V1)
    await Promise.race([silent.closed, again.closed])
    const neighbour = connectTcp(implicit, '127.0.0.1')
    neighbour.write(V2.with(19, 9))
    const secure = connectTls({ socket: neighbour, rejectUnauthorized: false })
    expect(String((await once(secure, 'data'))[0])).toMatch(/^220 /)
    for (const { socket } of [silent, again]) socket.destroy()
    secure.destroy()
  })
})

describe('R-relay: a client whom the balancer hides', () => {
  it.each([
    ['UNKNOWN', 'PROXY UNKNOWN\r\n'],
    ['LOCAL', LOCAL],
    ['UNSPEC', UNSPEC],
    ['UNIX', UNIX],
  ])('%s: may write to own domains, and is told 550 5.7.1 for others, though the balancer itself may relay', async (_, head) => {
    const { port } = await start({ ...TRUSTED, trusted: true })
    const client = await proxied(port, head)
    expect(await sendMessage(client, 'Subject: x\r\n\r\nx')).toMatch(/^250 /)
    await client.ask('MAIL FROM:<a@b.test>')
    expect(await client.ask('RCPT TO:<x@far.test>')).toMatch(/^550 5\.7\.1 /)
    client.end()
    const named = await proxied(port, V1)
    await named.ask('MAIL FROM:<a@b.test>')
    expect(await named.ask('RCPT TO:<x@far.test>')).toMatch(/^250 /)
    named.end()
  })
})

describe('no header where one is expected', () => {
  it.each([
    ['a command', 'EHLO client.test\r\n', /missing/],
    ['a broken header', 'PROXY TCP4 192.0.2.7\r\n', /addresses/],
    ['a header of the wrong version', Buffer.from(`${SIGNATURE}3111000cc0000207c6336401dc040019`, 'hex'), /version/],
    ['a header that is too long', Buffer.from(`${SIGNATURE}2111ffff`, 'hex'), /bytes/],
  ])('%s: 421 4.3.5, the end, and a line in the log', async (_, head, why) => {
    const { port } = await start(TRUSTED)
    const client = openClient(port)
    client.write(head)
    expect(await client.reply()).toBe('421 4.3.5 expected a PROXY header from your address')
    await client.closed
    expect(rejections()).toMatchObject([{ client: '127.0.0.1', reason: 'proxy', why: expect.stringMatching(why) }])
    expect(connection()).toBeUndefined()
  })

  it('nothing at all: after five seconds 421 4.3.5, and until then the listener serves others', async () => {
    const { port } = await start(TRUSTED)
    const startedAt = performance.now()
    const silent = openClient(port)
    ;(await proxied(port, V1)).end()
    expect(await silent.reply()).toMatch(/^421 4\.3\.5 /)
    expect(performance.now() - startedAt).toBeGreaterThan(4900)
    await silent.closed
  })

  it('who only looks whether the port is open leaves no trace', async () => {
    const { port } = await start(TRUSTED)
    const looking = openClient(port)
    await once(looking.socket, 'connect')
    looking.socket.end()
    await looking.closed
    ;(await proxied(port, V1)).end()
    await vi.waitFor(() => expect(running.logged.filter(({ event }) => event === 'connection')).toHaveLength(1))
    expect(rejections()).toEqual([])
  })
})

describe('a header from anybody else', () => {
  const STRANGER: Options = { listener: { proxy: { trusted: ['192.0.2.0/24'] } }, trusted: false }

  it.each([
    ['version 1', V1, STRANGER],
    ['version 2', V2, STRANGER],
    ['version 1, where the listener takes none', V1, {}],
    ['a second one behind the balancer’s', `${V1}${V1.replace('192.0.2.7', '127.0.0.1')}`, TRUSTED],
  ])('%s: is refused, and its word is not taken', async (_, head, options) => {
    const { port } = await start(options)
    const client = openClient(port)
    client.write(head)
    expect(await client.reply()).toBe('421 4.3.5 no PROXY header is taken from your address')
    await client.closed
    const ip = options === TRUSTED ? '192.0.2.7' : '127.0.0.1'
    expect(rejections()).toMatchObject([{ client: ip, reason: 'proxy' }])
  })

  it('who sends none is a client as ever, by its own address', async () => {
    const { port } = await start(STRANGER)
    const client = openClient(port)
    expect(await client.reply()).toMatch(/^220 /)
    expect(await client.ask('EHLO client.test')).toMatch(/^250/)
    expect(connection()).toEqual({ event: 'connection', listener: 'smtp', client: '127.0.0.1' })
    client.end()
  })

  const REFUSED = '421 4.3.5 no PROXY header is taken from your address'

  it.each([3, 1])('version 1 in pieces, of which the first %i bytes come before the greeting: is refused', async (bytes) => {
    const { port } = await start({ ...STRANGER, trusted: true })
    const client = openClient(port)
    client.write(V1.slice(0, bytes))
    expect(await client.reply()).toMatch(/^220 /)
    client.write(`${V1.slice(bytes)}EHLO client.test\r\n`)
    expect(await client.reply()).toBe(REFUSED)
    await client.closed
    expect(rejections()).toMatchObject([{ client: '127.0.0.1', reason: 'proxy' }])
  })

  // Its line ends are commands, as they may be a client's.
  it.each([
    [4, 2],
    [11, 3],
  ])('version 2 in pieces, of which the first has %i bytes: is refused once its signature is whole', async (bytes, lines) => {
    const { port } = await start({ ...STRANGER, trusted: true })
    const client = openClient(port)
    expect(await client.reply()).toMatch(/^220 /)
    client.write(V2.subarray(0, bytes))
    for (let i = 0; i < lines; i++) expect(await client.reply()).toMatch(/^500 /)
    client.write(Buffer.concat([V2.subarray(bytes), Buffer.from('EHLO client.test\r\n')]))
    expect(await client.reply()).toBe(REFUSED)
    await client.closed
    expect(rejections().at(-1)).toMatchObject({ client: '127.0.0.1', reason: 'proxy' })
  })

  it('as a command later on: is refused, and the connection ends', async () => {
    const { port } = await start({ ...STRANGER, trusted: true })
    const client = openClient(port)
    expect(await client.reply()).toMatch(/^220 /)
    expect(await client.ask('EHLO client.test')).toMatch(/^250/)
    expect(await client.ask(V1.trimEnd())).toBe(REFUSED)
    await client.closed
  })
})
