/** Clients that close their side behind their last command, and read on: scripts that pipe a whole conversation into a socket. */
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { greetedClient, openClient, openTlsClient, type RawClient } from './test-support/client.ts'
import { useIngress } from './test-support/harness.ts'

const { running, start, greeted } = useIngress()

const MAIL = 'MAIL FROM:<a@far.test>\r\nRCPT TO:<anna@sluice.test>\r\nDATA\r\n'
const CONTENT = 'Subject: half\r\n\r\nhello\r\n'

/** Every reply until the server closes its side, their codes. */
const codes = async (client: RawClient): Promise<string[]> => {
  const found: string[] = []
  for (;;) {
    const reply = await client.reply().catch(() => null)
    if (reply === null) return found
    found.push(reply.slice(0, 3))
  }
}

/** Takes its time with each message, so that the client's end comes while it is being stored. */
const storeSlowly = (): void => {
  const { accept } = running.parts
  running.parts.accept = async (message) => {
    await sleep(200)
    await accept(message)
  }
}

const openConnections = async (): Promise<string | undefined> =>
  /connections_open\{listener="smtp"\} (\d+)/.exec(await running.metrics.metrics())?.[1]

describe('a client that closes its side', () => {
  it('R-250: behind dot and QUIT hears the 250 for its message, though it is stored only later', async () => {
    const client = await greeted()
    storeSlowly()
    client.socket.end(`${MAIL}${CONTENT}.\r\nQUIT\r\n`)
    expect(await codes(client)).toEqual(['250', '250', '354', '250', '221'])
    expect(running.accepted).toHaveLength(1)
    await client.closed
    await vi.waitFor(async () => expect(await openConnections()).toBe('0'))
  })

  it('R-250: behind the dot, without QUIT, hears it, too, and the connection ends with it', async () => {
    const client = await greeted()
    storeSlowly()
    client.socket.end(`${MAIL}${CONTENT}.\r\n`)
    expect(await codes(client)).toEqual(['250', '250', '354', '250'])
    expect(running.accepted).toHaveLength(1)
    await client.closed
    await vi.waitFor(async () => expect(await openConnections()).toBe('0'))
  })

  it('R-250: over TLS, begun by STARTTLS or from the first byte, hears it as well', async () => {
    const first = await greeted({ tls: true })
    await first.ask('STARTTLS')
    await first.startTls()
    await first.ask('EHLO client.test')
    storeSlowly()
    first.socket.end(`${MAIL}${CONTENT}.\r\nQUIT\r\n`)
    expect(await codes(first)).toEqual(['250', '250', '354', '250', '221'])
    await running.stop()

    const { port } = await start({ tls: true, listener: { implicitTls: true } })
    const second = openTlsClient(port)
    await second.reply()
    await second.ask('EHLO client.test')
    storeSlowly()
    second.socket.end(`${MAIL}${CONTENT}.\r\nQUIT\r\n`)
    expect(await codes(second)).toEqual(['250', '250', '354', '250', '221'])
    expect(running.accepted).toHaveLength(1)
    await vi.waitFor(async () => expect(await openConnections()).toBe('0'))
  })

  it('R-short: in the midst of its content leaves nothing, and the connection ends at once', async () => {
    const client = await greeted()
    client.socket.end(`${MAIL}${CONTENT}`)
    expect(await codes(client)).toEqual(['250', '250', '354'])
    await client.closed
    await vi.waitFor(() => expect(running.aborted).toHaveLength(1))
    expect(running.accepted).toHaveLength(0)
    expect(await openConnections()).toBe('0')
  })

  it('R-limits: and says nothing at all, or stops in a TLS handshake, keeps no connection', async () => {
    const { port } = await start({ tls: true })
    const silent = openClient(port)
    silent.socket.end()
    await silent.closed
    const shaking = await greetedClient(port)
    await shaking.ask('STARTTLS')
    shaking.socket.end(Buffer.from([0x16, 0x03, 0x01]))
    await shaking.closed
    await vi.waitFor(async () => expect(await openConnections()).toBe('0'))
    await running.stop()

    const implicit = openClient((await start({ tls: true, listener: { implicitTls: true } })).port)
    implicit.socket.end(Buffer.from([0x16, 0x03, 0x01]))
    await implicit.closed
  })

  it('R-limits: and never lets go of its half, is let go of', async () => {
    const { port } = await start({ limits: { idleMs: 1000 } })
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    socket.on('error', () => {})
    socket.resume()
    socket.write('EHLO client.test\r\nQUIT\r\n')
    await vi.waitFor(async () => expect(await openConnections()).toBe('1'))
    await vi.waitFor(async () => expect(await openConnections()).toBe('0'), { timeout: 10_000 })
    socket.destroy()
  })
})
