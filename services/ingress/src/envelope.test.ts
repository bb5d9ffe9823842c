/** Envelopes: who may send to whom, how addresses are kept, and what is asked for with them. */
import { describe, expect, it } from 'vitest'
import { sendMessage } from './test-support/client.ts'
import { useIngress } from './test-support/harness.ts'

const { running, greeted } = useIngress()

describe('addresses', () => {
  const taken: [string, string, string][] = [
    ['quoted local part', '"a b"@sluice.test', '"a b"@sluice.test'],
    ['case of the local part', 'R1@SLUICE.Test', 'R1@sluice.test'],
    ['source route', '@a.test,@b.test:anna@sluice.test', 'anna@sluice.test'],
  ]
  it.each(taken)('R-address: %s: <%s> is kept as %s', async (_, address, kept) => {
    const client = await greeted()
    expect(await sendMessage(client, 'Subject: x\r\n\r\n', [address])).toMatch(/^250 /)
    expect(running.accepted[0]?.envelope.to[0]?.address).toBe(kept)
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
    const { envelope, text } = running.accepted[0] ?? {}
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
    expect(running.accepted[0]?.envelope.from).toBe('')
    client.end()
  })

  it.each(['postmaster', 'Postmaster', 'POSTMASTER@sluice.test', 'abuse@sluice.test', 'Mailer-Daemon@sluice.test'])(
    'R-postmaster: <%s> has a target',
    async (address) => {
      const client = await greeted()
      expect(await sendMessage(client, 'Subject: x\r\n\r\n', [address])).toMatch(/^250 /)
      expect(running.accepted[0]?.envelope.to[0]?.address).toBe('anna@sluice.test')
      client.end()
    },
  )

  it('R-duplicate: who is named twice gets it once; the domain has no case, the local part has', async () => {
    const client = await greeted()
    const to = ['r1@sluice.test', 'r1@SLUICE.test', 'R1@sluice.test', 'anna@sluice.test', 'sales@sluice.test']
    expect(await sendMessage(client, 'Subject: x\r\n\r\n', to)).toMatch(/^250 /)
    const addresses = ['r1@sluice.test', 'R1@sluice.test', 'anna@sluice.test', 'ben@sluice.test']
    expect(running.accepted[0]?.envelope.to.map(({ address }) => address)).toEqual(addresses)
    expect(running.accepted[0]?.destinations.get('local')?.map(({ address }) => address)).toEqual(addresses)
    client.end()
  })

  it('R-alias: an alias leads to its targets, an unknown recipient gets 550 5.1.1, a loop 550 5.4.6', async () => {
    const client = await greeted()
    await client.ask('MAIL FROM:<a@b.test>')
    expect(await client.ask('RCPT TO:<nobody@sluice.test>')).toMatch(/^550 5\.1\.1 /)
    expect(await client.ask('RCPT TO:<loop@sluice.test>')).toMatch(/^550 5\.4\.6 /)
    await client.ask('RSET')
    await sendMessage(client, 'Subject: x\r\n\r\n', ['sales@sluice.test'])
    expect(running.accepted[0]?.envelope.to).toEqual([
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
    const groups = [...(running.accepted[0]?.destinations ?? [])].map(([name, to]) => [name, to.length])
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
    expect(running.accepted[0]?.envelope).toMatchObject({
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
