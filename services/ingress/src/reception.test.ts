/** Messages on their way in: what is stored, what is refused, what is left behind. */
import { randomBytes } from 'node:crypto'
import { StoreError } from '@sluice/spool'
import { describe, expect, it, vi } from 'vitest'
import { beginData, greetedClient, sendMessage } from './test-support/client.ts'
import { useIngress } from './test-support/harness.ts'

const { running, greeted, textOf } = useIngress()

describe('storing', () => {
  it('R-250: the reply waits until the message is durable', async () => {
    const client = await greeted()
    let settle: (() => void) | undefined
    running.parts.accept = () =>
      new Promise((resolve) => {
        settle = resolve
      })
    let replied = false
    const reply = sendMessage(client, 'Subject: x\r\n\r\nx').then((text) => {
      replied = true
      return text
    })
    await vi.waitFor(() => expect(settle).toBeDefined())
    expect(replied).toBe(false)
    settle?.()
    expect(await reply).toMatch(/^250 2\.0\.0 queued as /)
    client.end()
  })

  it('R-id: the reply names the ID that stands in Received, envelope and log', async () => {
    const client = await greeted()
    const reply = await sendMessage(client, 'Subject: x\r\nMessage-ID: <1@far.test>\r\n\r\nx')
    const id = /^250 2\.0\.0 queued as ([0-9A-Z]{18})$/.exec(reply)?.[1]
    expect(running.accepted[0]?.envelope.id).toBe(id)
    expect(textOf()).toContain(`\r\n\tid ${id}\r\n`.trimEnd())
    expect(running.logged.find(({ event }) => event === 'reception')).toMatchObject({
      id,
      listener: 'smtp',
      client: '127.0.0.1',
      helo: 'client.test',
      tls: null,
      sender: 'sender@far.test',
      recipients: 1,
      sizeBytes: Buffer.byteLength(textOf()),
      messageId: '<1@far.test>',
    })
    client.end()
  })

  it.each(['refused', 'unknown'] as const)(
    'R-451: a write whose fate is %s is 451 4.3.0, and the session goes on',
    async (fate) => {
      const client = await greeted()
      const { accept } = running.parts
      running.parts.accept = () => Promise.reject(new StoreError(fate, 'Redis is away'))
      expect(await sendMessage(client, 'Subject: x\r\n\r\nx')).toMatch(/^451 4\.3\.0 /)
      const event = fate === 'unknown' ? 'duplicate-suspected' : 'store-failed'
      expect(running.logged.some((fields) => fields.event === event)).toBe(true)
      running.parts.accept = accept
      expect(await sendMessage(client, 'Subject: y\r\n\r\ny')).toMatch(/^250 /)
      expect(running.accepted.length).toBe(1)
      client.end()
    },
  )

  it('R-451: a content that cannot be written is 451 4.3.0, read to its end, and given up', async () => {
    const client = await greeted()
    running.parts.write = () => Promise.reject(new Error('disk'))
    expect(await sendMessage(client, `Subject: x\r\n\r\n${'x\r\n'.repeat(50_000)}`)).toMatch(/^451 4\.3\.0 /)
    expect(running.aborted.length).toBe(1)
    expect(running.accepted.length).toBe(0)
    client.end()
  })

  it('R-full: near the mark MAIL gets 452 4.3.1, and is taken again below it', async () => {
    const client = await greeted()
    running.parts.readiness = () => ({ kind: 'full', reason: 'memory' })
    expect(await client.ask('MAIL FROM:<a@b.test>')).toMatch(/^452 4\.3\.1 /)
    const second = await greetedClient(running.port)
    second.end()
    running.parts.readiness = () => ({ kind: 'ok' })
    expect(await client.ask('MAIL FROM:<a@b.test>')).toMatch(/^250 /)
    client.end()
  })

  it.each([
    ['away', '4.3.0'],
    ['unsafe', '4.3.5'],
  ] as const)('R-full: a store that is %s: 451 to MAIL, 421 to new clients', async (kind, code) => {
    const client = await greeted()
    running.parts.readiness = () => ({ kind, reason: 'test' })
    expect(await client.ask('MAIL FROM:<a@b.test>')).toMatch(new RegExp(`^451 ${code} `))
    await expect(greetedClient(running.port)).rejects.toThrow()
    expect(running.logged.at(-1)).toMatchObject({ event: 'rejection', reason: kind })
    client.end()
  })

  it('R-451: a client that vanishes in DATA leaves nothing', async () => {
    const client = await greeted()
    await beginData(client)
    client.write('Subject: x\r\n\r\nhalf')
    client.socket.end()
    await client.closed
    await vi.waitFor(() => expect(running.aborted.length).toBe(1))
    expect(running.open.size).toBe(0)
    expect(running.accepted.length).toBe(0)
  })
})

describe('line ends', () => {
  it.each(['a\nb', 'a\rb', 'a\0b', 'a\n.\nMAIL FROM:<x@y.test>', 'a\n.\r\nMAIL FROM:<x@y.test>'])(
    'R-smuggle: content %j is 550 5.6.11 after the end, and nothing in it is a command',
    async (body) => {
      const client = await greeted()
      expect(await sendMessage(client, `Subject: x\r\n\r\n${body}`)).toMatch(/^550 5\.6\.11 /)
      expect(await client.ask('NOOP')).toBe('250 2.0.0 ok')
      expect(running.accepted.length).toBe(0)
      expect(running.aborted.length).toBe(1)
      client.end()
    },
  )

  it('R-smuggle: bare line feeds are normalised when configured', async () => {
    const client = await greeted({ config: { bareLineFeeds: 'normalize' } })
    expect(await sendMessage(client, 'Subject: x\r\n\r\na\nb\n.\nc')).toMatch(/^250 /)
    expect(textOf().endsWith('\r\n\r\na\r\nb\r\n.\r\nc\r\n')).toBe(true)
    client.end()
  })

  it.each(['NOOP\n', 'NOOP\rNOOP\r\n', 'NO\0OP\r\n', 'NOOP\xff\r\n'])(
    'R-smuggle: the command %j gets 500 5.5.2 and never runs',
    async (line) => {
      const client = await greeted()
      await client.ask('MAIL FROM:<a@b.test>')
      client.write(Buffer.from(line.replaceAll('NOOP', 'RSET'), 'latin1'))
      expect(await client.reply()).toMatch(/^500 5\.5\.2 /)
      expect(await client.ask('RCPT TO:<anna@sluice.test>')).toMatch(/^250 /)
      client.end()
    },
  )

  it('R-dots: dots, long lines and 8-bit bytes arrive as they were sent', async () => {
    const client = await greeted()
    const body = `.\r\n..\r\n.a\r\n${'y'.repeat(998)}\r\n\u00fcber\r\n`
    const stuffed = body.replace(/^\./gm, '..')
    expect(await sendMessage(client, `Subject: x\r\n\r\n${stuffed}end`, undefined, ' BODY=8BITMIME')).toMatch(/^250 /)
    expect(textOf().endsWith(`\r\n\r\n${body}end\r\n`)).toBe(true)
    expect(running.accepted[0]?.envelope.body).toBe('8bit')
    client.end()
  })

  it('R-8bit: 8-bit content that nobody declared is found', async () => {
    const client = await greeted()
    await sendMessage(client, 'Subject: x\r\n\r\nplain')
    await sendMessage(client, `Subject: x\r\n\r\n${'x\r\n'.repeat(30_000)}\u00fc`)
    expect(running.accepted.map(({ envelope }) => [envelope.body, envelope.utf8])).toEqual([
      ['7bit', false],
      ['8bit', false],
    ])
    client.end()
  })

  it('R-utf8: a UTF-8 header marks the message, declared or not', async () => {
    const client = await greeted()
    await sendMessage(client, 'Subject: \u00fc\r\n\r\nx')
    await sendMessage(client, 'Subject: \u00fc\r\n\r\nx', undefined, ' SMTPUTF8')
    await sendMessage(client, 'Subject: x\r\n\r\nx', undefined, ' SMTPUTF8')
    await sendMessage(client, Buffer.from('Subject: \xfc\r\n\r\nx', 'latin1'))
    expect(running.accepted.map(({ envelope }) => [envelope.body, envelope.utf8])).toEqual([
      ['8bit', true],
      ['8bit', true],
      ['7bit', false],
      ['8bit', false],
    ])
    client.end()
  })
})

describe('size', () => {
  it('R-size: declared too large is 552 5.3.4 at MAIL', async () => {
    const client = await greeted({ limits: { sizeBytes: 1000 } })
    expect(await client.ask('MAIL FROM:<a@b.test> SIZE=1001')).toMatch(/^552 5\.3\.4 /)
    expect(await client.ask('MAIL FROM:<a@b.test> SIZE=1000')).toMatch(/^250 /)
    client.end()
  })

  it('R-size: really too large is read to its end, not stored, 552 5.3.4', async () => {
    const client = await greeted({ limits: { sizeBytes: 1000 } })
    expect(await sendMessage(client, `Subject: x\r\n\r\n${'x'.repeat(60)}`)).toMatch(/^250 /)
    expect(await sendMessage(client, `Subject: x\r\n\r\n${'x\r\n'.repeat(100_000)}`)).toMatch(/^552 5\.3\.4 /)
    expect([running.accepted.length, running.aborted.length, running.open.size]).toEqual([1, 1, 0])
    expect(await client.ask('NOOP')).toBe('250 2.0.0 ok')
    client.end()
  })

  it('R-size: what goes on beyond four times the limit gets 552 5.3.4 and is closed, refused before or not', async () => {
    const client = await greeted({ limits: { sizeBytes: 512 * 1024 } })
    await beginData(client)
    const lines = Buffer.from(`${'x'.repeat(98)}\r\n`.repeat(10_000))
    client.write('Subject: x\r\n\r\n')
    const sending = setInterval(() => client.socket.writableNeedDrain || client.write(lines), 1)
    expect(await client.reply()).toBe('552 5.3.4 the message is far too large')
    clearInterval(sending)
    await client.closed
    expect([running.accepted.length, running.aborted.length, running.open.size]).toEqual([0, 1, 0])
  })

  it('R-size: a header that does not end is 552 5.3.4', async () => {
    const client = await greeted()
    expect(await sendMessage(client, `Subject: x\r\n${`X-Long: ${'x'.repeat(900)}\r\n`.repeat(300)}\r\nx`)).toMatch(
      /^552 5\.3\.4 /,
    )
    client.end()
  })

  it('R-size: content goes to the store as it comes, at the pace of the store', async () => {
    const client = await greeted({ limits: { sizeBytes: 64 * 1024 * 1024 } })
    let release = (): void => {}
    let writes = 0
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    running.parts.write = async () => {
      if (++writes === 3) await gate
    }
    const line = `${randomBytes(38).toString('hex')}\r\n`
    const content = `Subject: x\r\n\r\n${line.repeat(400_000)}`
    const reply = sendMessage(client, content)
    await vi.waitFor(() => expect(writes).toBe(3))
    await vi.waitFor(() => expect(client.socket.writableLength).toBeGreaterThan(1024 * 1024))
    expect(writes).toBe(3)
    release()
    expect(await reply).toMatch(/^250 /)
    expect(textOf().length).toBeGreaterThan(content.length)
    client.end()
  })
})
