/** The conversation, command by command, over real sockets. */
import { afterEach, describe, expect, it } from 'vitest'
import { greetedClient, openClient, type RawClient, sendMessage } from './test-support/client.ts'
import { type Options, startTestIngress, type TestIngress } from './test-support/harness.ts'

let running: TestIngress | undefined
const start = async (options?: Options): Promise<TestIngress> => {
  running = await startTestIngress(options)
  return running
}
const greeted = async (options?: Options): Promise<RawClient> => greetedClient((await start(options)).port)

afterEach(async () => {
  await running?.stop()
  running = undefined
})

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
    expect(running?.accepted.map(({ text }) => /\((\[.*\])\)/.exec(text)?.[1])).toEqual(['[127.0.0.1]', '[IPv6:::1]'])
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
    expect(running?.accepted.map(({ envelope }) => envelope.to.length)).toEqual([2, 1])
  })

  it('R-order: HTTP on the port ends the connection', async () => {
    const client = await greeted()
    expect(await client.ask('POST / HTTP/1.1')).toMatch(/^421 4\.7\.0 /)
    await client.closed
  })
})

describe('addresses', () => {
  const taken: [string, string, string][] = [
    ['quoted local part', '"a b"@sluice.test', '"a b"@sluice.test'],
    ['case of the local part', 'R1@SLUICE.Test', 'R1@sluice.test'],
    ['source route', '@a.test,@b.test:anna@sluice.test', 'anna@sluice.test'],
  ]
  it.each(taken)('R-address: %s: <%s> is kept as %s', async (_, address, kept) => {
    const client = await greeted()
    expect(await sendMessage(client, 'Subject: x\r\n\r\n', [address])).toMatch(/^250 /)
    expect(running?.accepted[0]?.envelope.to[0]?.address).toBe(kept)
    client.end()
  })

  it.each([
    'a b@sluice.test',
    'a..b@sluice.test',
    '.a@sluice.test',
    'a@b..test',
    'anna',
    '@sluice.test',
    'a@[300.1.1.1]',
    'a@sluice.test>x',
  ])('R-address: <%s> is refused with 501 5.1.3 and 5.1.7', async (address) => {
    const client = await greeted()
    expect(await client.ask(`MAIL FROM:<${address}>`)).toMatch(/^501 5\.(1\.7|5\.4) /)
    await client.ask('MAIL FROM:<>')
    expect(await client.ask(`RCPT TO:<${address}>`)).toMatch(/^501 5\.(1\.3|5\.4) /)
    client.end()
  })

  it('R-address: UTF-8 addresses parse with SMTPUTF8, domains are kept as A-labels, and without it they get 553 5.6.7', async () => {
    const client = await greeted()
    expect(await client.ask('MAIL FROM:<jürgen@müller.test>')).toMatch(/^553 5\.6\.7 /)
    expect(await client.ask('MAIL FROM:<jürgen@müller.test> SMTPUTF8')).toMatch(/^250 /)
    expect(await client.ask('RCPT TO:<jürgen@slüice.test>')).toMatch(/^250 /)
    await client.ask('DATA')
    client.write('Subject: x\r\n\r\nx\r\n.\r\n')
    expect(await client.reply()).toMatch(/^250 /)
    const { envelope, text } = running?.accepted[0] ?? {}
    expect(envelope).toMatchObject({
      from: 'jürgen@xn--mller-kva.test',
      utf8: true,
      to: [{ address: 'jürgen@xn--slice-lva.test' }],
    })
    expect(text).toContain('with UTF8SMTP\r\n')
    client.end()
  })

  it('R-null: MAIL FROM:<> is taken everywhere', async () => {
    const client = await greeted()
    expect(await client.ask('MAIL FROM:<>')).toBe('250 2.1.0 sender ok')
    expect(await client.ask('RCPT TO:<>')).toMatch(/^501 5\.1\.3 /)
    await client.ask('RCPT TO:<anna@sluice.test>')
    await client.ask('DATA')
    client.write('Subject: x\r\n\r\n.\r\n')
    await client.reply()
    expect(running?.accepted[0]?.envelope.from).toBe('')
    client.end()
  })

  it.each(['postmaster', 'Postmaster', 'POSTMASTER@sluice.test', 'abuse@sluice.test', 'Mailer-Daemon@sluice.test'])(
    'R-postmaster: <%s> has a target',
    async (address) => {
      const client = await greeted()
      expect(await sendMessage(client, 'Subject: x\r\n\r\n', [address])).toMatch(/^250 /)
      expect(running?.accepted[0]?.envelope.to[0]?.address).toBe('anna@sluice.test')
      client.end()
    },
  )

  it('R-duplicate: who is named twice gets it once; the domain has no case, the local part has', async () => {
    const client = await greeted()
    const to = ['r1@sluice.test', 'r1@SLUICE.test', 'R1@sluice.test', 'anna@sluice.test', 'sales@sluice.test']
    expect(await sendMessage(client, 'Subject: x\r\n\r\n', to)).toMatch(/^250 /)
    const addresses = ['r1@sluice.test', 'R1@sluice.test', 'anna@sluice.test', 'ben@sluice.test']
    expect(running?.accepted[0]?.envelope.to.map(({ address }) => address)).toEqual(addresses)
    expect(running?.accepted[0]?.destinations.get('local')?.map(({ address }) => address)).toEqual(addresses)
    client.end()
  })

  it('R-alias: an alias leads to its targets, an unknown recipient gets 550 5.1.1, a loop 550 5.4.6', async () => {
    const client = await greeted()
    await client.ask('MAIL FROM:<a@b.test>')
    expect(await client.ask('RCPT TO:<nobody@sluice.test>')).toMatch(/^550 5\.1\.1 /)
    expect(await client.ask('RCPT TO:<loop@sluice.test>')).toMatch(/^550 5\.4\.6 /)
    await client.ask('RSET')
    await sendMessage(client, 'Subject: x\r\n\r\n', ['sales@sluice.test'])
    expect(running?.accepted[0]?.envelope.to).toEqual([
      { address: 'anna@sluice.test', original: 'sales@sluice.test' },
      { address: 'ben@sluice.test', original: 'sales@sluice.test' },
    ])
    client.end()
  })

  it('R-route: recipients are grouped by destination; no route is 550 5.4.4', async () => {
    const client = await greeted({ trusted: true })
    await client.ask('MAIL FROM:<a@b.test>')
    expect(await client.ask('RCPT TO:<x@nowhere.test>')).toMatch(/^550 5\.4\.4 /)
    await client.ask('RSET')
    await sendMessage(client, 'Subject: x\r\n\r\n', ['anna@sluice.test', 'x@far.test', 'y@far.test'])
    const groups = [...(running?.accepted[0]?.destinations ?? [])].map(([name, to]) => [name, to.length])
    expect(groups).toEqual([
      ['local', 1],
      ['far.test', 2],
    ])
    client.end()
  })
})

describe('relay', () => {
  const strangers = [
    'x@far.test',
    'x@[192.0.2.1]',
    'x@[127.0.0.1]',
    '@sluice.test:x@far.test',
    'x%far.test@any.test',
    'far.test!x@any.test',
    '"x@far.test"@any.test',
  ]
  it.each(strangers)('R-relay: strangers cannot reach <%s>: 550 5.7.1, one code only', async (address) => {
    const client = await greeted()
    await client.ask('MAIL FROM:<anna@sluice.test>')
    expect(await client.ask(`RCPT TO:<${address}>`)).toBe('550 5.7.1 relaying denied')
    client.end()
  })

  it('R-relay: trusted networks may', async () => {
    const client = await greeted({ trusted: true })
    expect(await sendMessage(client, 'Subject: x\r\n\r\n', ['x@far.test'])).toMatch(/^250 /)
    client.end()
  })
})

describe('DSN parameters', () => {
  it('R-dsn-pass: RET, ENVID, NOTIFY and ORCPT reach the envelope, decoded', async () => {
    const client = await greeted()
    await client.ask('MAIL FROM:<a@b.test> RET=HDRS ENVID=QQ+2B1')
    await client.ask('RCPT TO:<anna@sluice.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Anna+2Bx@sluice.test')
    await client.ask('RCPT TO:<ben@sluice.test> NOTIFY=NEVER')
    await client.ask('DATA')
    client.write('Subject: x\r\n\r\n.\r\n')
    await client.reply()
    expect(running?.accepted[0]?.envelope).toMatchObject({
      ret: 'HDRS',
      envid: 'QQ+1',
      to: [
        { address: 'anna@sluice.test', notify: ['SUCCESS', 'FAILURE'], orcpt: 'rfc822;Anna+x@sluice.test' },
        { address: 'ben@sluice.test', notify: ['NEVER'] },
      ],
    })
    client.end()
  })

  it.each([
    'MAIL FROM:<> RET=ALL',
    'MAIL FROM:<> ENVID=a+0D+0Ab',
    'RCPT TO:<anna@sluice.test> NOTIFY=NEVER,DELAY',
    'RCPT TO:<anna@sluice.test> ORCPT=x',
  ])('R-order: %s is 501 5.5.4', async (line) => {
    const client = await greeted()
    if (line.startsWith('RCPT')) await client.ask('MAIL FROM:<>')
    expect(await client.ask(line)).toMatch(/^501 5\.5\.4 /)
    client.end()
  })
})
