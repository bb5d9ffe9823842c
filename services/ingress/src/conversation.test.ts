/** The conversation, command by command, over real sockets. */
import { describe, expect, it } from 'vitest'
import { openClient, sendMessage } from './test-support/client.ts'
import { useIngress } from './test-support/harness.ts'

const { running, start, greeted } = useIngress()

describe('greeting', () => {
  it('R-banner: the greeting comes at once, with the configured name', async () => {
    const { port } = await start()
    const times: number[] = []
    for (let i = 0; i < 5; i++) {
      const before = performance.now()
      const client = openClient(port)
      expect(await client.reply()).toBe('220 mx.sluice.test ESMTP')
      times.push(performance.now() - before)
      client.end()
    }
    expect(Math.min(...times)).toBeLessThan(50)
  })

  it('R-banner: who speaks before the greeting is refused, and others notice nothing', async () => {
    const { port } = await start()
    const early = openClient(port)
    early.write('EHLO early.test\r\nMAIL FROM:<>\r\n')
    const polite = openClient(port)
    expect(await early.reply()).toBe('554 5.5.1 you spoke before the greeting')
    await early.closed
    expect(await polite.reply()).toMatch(/^220 /)
    polite.end()
  })

  it('R-banner: EHLO offers what is kept, and nothing that is not', async () => {
    const { port } = await start()
    const client = openClient(port)
    await client.reply()
    expect(await client.ask('EHLO client.test')).toBe(
      '250-mx.sluice.test\n250-PIPELINING\n250-SIZE 1048576\n250-8BITMIME\n250-SMTPUTF8\n250-ENHANCEDSTATUSCODES\n250 DSN',
    )
    expect(await client.ask('HELO client.test')).toBe('250 mx.sluice.test')
    client.end()
  })

  it('R-dual: one listener takes IPv4 and IPv6', async () => {
    const { port } = await start({ listener: { listen: { host: '::', port: 0 } } })
    for (const host of ['127.0.0.1', '::1']) {
      const client = openClient(port, host)
      expect(await client.reply()).toMatch(/^220 /)
      await client.ask('EHLO client.test')
      expect(await sendMessage(client, 'Subject: x\r\n\r\nx')).toMatch(/^250 /)
      client.end()
    }
    expect(running.accepted.map(({ text }) => /\((\[.*\])\)/.exec(text)?.[1])).toEqual(['[127.0.0.1]', '[IPv6:::1]'])
  })
})

describe('order', () => {
  const cases: [string[], string][] = [
    [['MAIL FROM:<a@b.test>', 'MAIL FROM:<a@b.test>'], '503 5.5.1'],
    [['RCPT TO:<anna@sluice.test>'], '503 5.5.1'],
    [['DATA'], '503 5.5.1'],
    [['MAIL FROM:<a@b.test>', 'DATA'], '503 5.5.1'],
    [['MAIL FROM:<a@b.test>', 'RCPT TO:<nobody@sluice.test>', 'DATA'], '554 5.5.1'],
    [['MAIL FROM:<a@b.test> FOO=bar'], '555 5.5.4'],
    [['MAIL FROM:<a@b.test> REQUIRETLS'], '555 5.5.4'],
    [['MAIL FROM:<a@b.test>', 'RCPT TO:<anna@sluice.test> FOO'], '555 5.5.4'],
    [['MAIL FROM:<a@b.test> BODY=BINARYMIME'], '501 5.5.4'],
    [['MAIL FROM:<a@b.test> SIZE=10 SIZE=10'], '501 5.5.4'],
    [['FOO'], '500 5.5.2'],
    [['WIZ secret'], '500 5.5.2'],
    [['SHELL'], '500 5.5.2'],
    [['KILL'], '500 5.5.2'],
    [['XCLIENT NAME=x'], '500 5.5.2'],
    [['XFORWARD NAME=x'], '500 5.5.2'],
    [['LHLO x'], '500 5.5.2'],
    [['BDAT 5 LAST'], '500 5.5.2'],
    [['constructor'], '500 5.5.2'],
    [[''], '500 5.5.2'],
    [['VRFY anna'], '252 2.0.0'],
    [['VRFY'], '501 5.5.4'],
    [['EXPN all'], '502 5.5.1'],
    [['MAIL FROM:<a@b.test>', 'NOOP some text'], '250 2.0.0'],
    [['MAIL FROM:<a@b.test>', 'HELP'], '214 2.0.0'],
    [['MAIL FROM:<a@b.test>', 'RSET', 'MAIL FROM:<a@b.test>'], '250 2.1.0'],
    [['MAIL FROM:<a@b.test>', 'EHLO again.test', 'MAIL FROM:<a@b.test>'], '250 2.1.0'],
    [['STARTTLS'], '502 5.5.1'],
    [['AUTH PLAIN AGEAYg=='], '502 5.5.1'],
    [['EHLO'], '501 5.5.4'],
    [['EHLO two words'], '501 5.5.4'],
    [['EHLO evil(comment'], '501 5.5.4'],
    [['QUIT'], '221 2.0.0'],
  ]
  it.each(cases)('R-order: %j ends with %s', async (lines, expected) => {
    const client = await greeted()
    let last = ''
    for (const line of lines) last = await client.ask(line)
    expect(last).toMatch(new RegExp(`^${expected.replaceAll('.', '\\.')} `))
    client.end()
  })

  it('R-order: MAIL wants HELO or EHLO first, and parameters want EHLO', async () => {
    const { port } = await start()
    const client = openClient(port)
    await client.reply()
    expect(await client.ask('MAIL FROM:<a@b.test>')).toMatch(/^503 5\.5\.1 /)
    expect(await client.ask('NOOP')).toMatch(/^250 2\.0\.0 /)
    expect(await client.ask('RSET')).toMatch(/^250 2\.0\.0 /)
    await client.ask('HELO old.test')
    expect(await client.ask('MAIL FROM:<a@b.test> SIZE=1')).toMatch(/^555 5\.5\.4 /)
    expect(await client.ask('MAIL FROM:<a@b.test>')).toMatch(/^250 2\.1\.0 /)
    client.end()
  })

  it('R-order: a pipelined group is answered in order, in one write', async () => {
    const client = await greeted()
    const writes: string[] = []
    client.socket.on('data', (data: Buffer) => writes.push(data.toString()))
    client.write(
      'MAIL FROM:<a@b.test>\r\nRCPT TO:<anna@sluice.test>\r\nRCPT TO:<x@far.test>\r\nNOOP\r\nRCPT TO:<ben@sluice.test>\r\nDATA\r\n',
    )
    const codes: string[] = []
    for (let i = 0; i < 6; i++) codes.push((await client.reply()).slice(0, 9))
    expect(codes).toEqual(['250 2.1.0', '250 2.1.5', '550 5.7.1', '250 2.0.0', '250 2.1.5', '354 end w'])
    expect(writes.length).toBe(1)
    client.write(
      'Subject: one\r\n\r\none\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<anna@sluice.test>\r\nDATA\r\nSubject: two\r\n\r\n.\r\nQUIT\r\n',
    )
    const rest: string[] = []
    for (let i = 0; i < 6; i++) rest.push((await client.reply()).slice(0, 3))
    expect(rest).toEqual(['250', '250', '250', '354', '250', '221'])
    expect(running.accepted.map(({ envelope }) => envelope.to.length)).toEqual([2, 1])
  })

  it('R-order: HTTP on the port ends the connection', async () => {
    const client = await greeted()
    expect(await client.ask('POST / HTTP/1.1')).toMatch(/^421 4\.7\.0 /)
    await client.closed
  })
})
