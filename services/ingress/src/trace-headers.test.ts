/** What ingress writes on top of a message, and what it leaves as it is. */
import { isAscii } from 'node:buffer'
import { describe, expect, it } from 'vitest'
import { beginData, sendMessage } from './test-support/client.ts'
import { useIngress } from './test-support/harness.ts'

const { running, greeted, textOf } = useIngress()

describe('trace headers', () => {
  it('R-trace-headers: Received stands first, and mail of strangers is not altered', async () => {
    const client = await greeted()
    const content = 'Subject: x\r\nBcc: hidden@far.test\r\n folded\r\n\r\nbody\r\n'
    await sendMessage(client, content.slice(0, -2))
    const { id } = running.accepted[0]?.envelope ?? {}
    const received =
      /^Received: from client\.test \(\[127\.0\.0\.1\]\)\r\n\tby mx\.sluice\.test with ESMTP\r\n\tid (\w+)\r\n\tfor <anna@sluice\.test>;\r\n\t\w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d [+-]0000\r\n/
    expect(received.exec(textOf())?.[1]).toBe(id)
    expect(textOf().replace(received, '')).toBe(content)
    expect(running.accepted[0]?.envelope.sizeBytes).toBe(Buffer.byteLength(textOf()))
    client.end()
  })

  it('R-trace-headers: the envelope tells who handed the message in', async () => {
    const client = await greeted()
    await sendMessage(client, 'Subject: x\r\n\r\nx')
    await client.ask('HELO old.test')
    await sendMessage(client, 'Subject: x\r\n\r\nx')
    expect(running.accepted.map(({ envelope }) => envelope.client)).toEqual([
      '127.0.0.1 (helo client.test) ESMTP',
      '127.0.0.1 (helo old.test) SMTP',
    ])
    client.end()
  })

  it('R-trace-headers: several recipients are not named in Received', async () => {
    const client = await greeted()
    await sendMessage(client, 'Subject: x\r\n\r\nx', ['anna@sluice.test', 'ben@sluice.test'])
    expect(textOf()).not.toContain('for <')
    client.end()
  })

  it('R-trace-headers: HELO is SMTP', async () => {
    const client = await greeted()
    await client.ask('HELO old.test')
    await sendMessage(client, 'Subject: x\r\n\r\nx')
    expect(textOf()).toMatch(/from old\.test .*\r\n\tby mx\.sluice\.test with SMTP\r\n/)
    client.end()
  })

  it('R-trace-headers: own networks get Date, From and Message-ID, and Bcc goes', async () => {
    const client = await greeted({ trusted: true })
    await sendMessage(
      client,
      'Bcc: hidden@far.test,\r\n second@far.test\r\nSubject: x\r\nResent-Bcc: c@far.test\r\n\r\nBcc: body',
    )
    const { id } = running.accepted[0]?.envelope ?? {}
    const text = textOf()
    expect(text).toMatch(/\r\nDate: \w{3}, \d{1,2} \w{3} \d{4} [\d:]{8} [+-]0000\r\nFrom: <sender@far\.test>\r\n/)
    expect(text).toContain(`\r\nMessage-ID: <${id}@mx.sluice.test>\r\nSubject: x\r\n\r\nBcc: body\r\n`)
    expect(text).not.toMatch(/hidden|second|c@far/)
    client.end()
  })

  it('R-trace-headers: what is there is kept', async () => {
    const client = await greeted({ trusted: true })
    const content = 'date: now\r\nMESSAGE-ID : <1@x>\r\nFrom: a@b\r\n\r\nx\r\n'
    await sendMessage(client, content.slice(0, -2))
    expect(textOf().endsWith(`+0000\r\n${content}`) || textOf().endsWith(`-0000\r\n${content}`)).toBe(true)
    client.end()
  })

  it('R-trace-headers: a body without a header stays a body, an empty message is taken', async () => {
    const client = await greeted()
    await sendMessage(client, 'hello world\r\nno header: here')
    expect(textOf(0)).toMatch(/0000\r\n\r\nhello world\r\nno header: here\r\n$/)
    await beginData(client)
    client.write('.\r\n')
    expect(await client.reply()).toMatch(/^250 /)
    expect(textOf(1)).toMatch(/^Received: /)
    client.end()
  })

  it.each([
    ['bücher.test', 'xn--bcher-kva.test'],
    ['müll_tonne', 'm?ll_tonne'],
  ])('R-utf8: the name %s in EHLO leaves Received in ASCII', async (name, written) => {
    const client = await greeted()
    await client.ask(`EHLO ${name}`)
    await sendMessage(client, 'Subject: x\r\n\r\nx')
    expect(textOf()).toContain(`Received: from ${written} ([127.0.0.1])`)
    expect(isAscii(Buffer.from(textOf()))).toBe(true)
    expect(running.accepted[0]?.envelope).toMatchObject({ body: '7bit', utf8: false })
    client.end()
  })

  it('R-utf8: an alias in UTF-8 for names in ASCII does not stand in Received', async () => {
    const client = await greeted()
    await sendMessage(client, 'Subject: x\r\n\r\nx', ['verkäufe@sluice.test'], ' SMTPUTF8')
    expect(isAscii(Buffer.from(textOf()))).toBe(true)
    expect(running.accepted[0]?.envelope.utf8).toBe(false)
    await sendMessage(client, 'Subject: x\r\n\r\nx', ['jürgen@sluice.test'], ' SMTPUTF8')
    expect(textOf(1)).toContain('for <jürgen@sluice.test>')
    expect(running.accepted[1]?.envelope.utf8).toBe(true)
    client.end()
  })

  it('R-size: a header of thousands of tiny fields is 552 5.3.4, before their places take more memory than it', async () => {
    const client = await greeted()
    expect(await sendMessage(client, `${'a:\r\n'.repeat(5000)}\r\nx`)).toMatch(/^250 /)
    expect(await sendMessage(client, `${'a:\r\n'.repeat(5001)}\r\nx`)).toMatch(/^552 5\.3\.4 /)
    expect(running.accepted.length).toBe(1)
    client.end()
  })

  it('R-limits: more Received fields than hops allows are 554 5.4.6', async () => {
    const client = await greeted({ limits: { hops: 3 } })
    expect(await sendMessage(client, `${'Received: x\r\n'.repeat(3)}\r\nx`)).toMatch(/^250 /)
    expect(await sendMessage(client, `${'received: x\r\n\ty\r\n'.repeat(4)}\r\nx`)).toMatch(/^554 5\.4\.6 /)
    expect(running.accepted.length).toBe(1)
    client.end()
  })
})
