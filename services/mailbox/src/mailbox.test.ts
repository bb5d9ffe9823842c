/** The LMTP conversation, over real sockets: replies, limits, content, the end. */
import { stat } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { lmtpClient } from './test-support/lmtp-client.ts'
import { useMailbox } from './test-support/mailbox.ts'

const MIB = 1_048_576
const box = useMailbox()

it('R-lmtp: one reply per recipient after the dot, in their order, also for names that differ in case only', async () => {
  const { rcpt, dot } = await box.client.deliver(
    's@example.org',
    ['<anna@sluice.test>', '<nobody@sluice.test>', '<Anna@sluice.test>', '<"../odd"@sluice.test>', '<anna@sluice.test>'],
    `X: ${'y'.repeat(200)}\r\nDelivered-To: Anna@sluice.test\r\n\r\nx`,
  )
  expect(rcpt.map((reply) => reply.slice(0, 9))).toEqual(['250 2.1.5', '550 5.1.1', '250 2.1.5', '250 2.1.5', '250 2.1.5'])
  expect(dot.map((reply) => reply.slice(0, 9))).toEqual(['554 5.4.6', '554 5.4.6', '250 2.0.0', '554 5.4.6'])
  expect(await box.filesOf('%22..%2Fodd%22')).toHaveLength(1)
})

it('R-id: each line of the log about a message has the ID that ingress wrote into it', async () => {
  const header =
    'Received: from a.test ([192.0.2.1])\r\n\tby mx.sluice.test with ESMTP\r\n\tid 01KAPQ3NDEKTSV4RRF;\r\n\tSun, 1 Nov 2026\r\n'
  const older = header.replace('01KAPQ3NDEKTSV4RRF', '01AAAAAAAAAAAAAAAA')
  await box.client.deliver(
    's@example.org',
    ['<ben@sluice.test>', '<small@sluice.test>'],
    `${header}${older}\r\n${'x'.repeat(900)}\r\n`.repeat(3),
  )
  await box.client.deliver('s@example.org', ['<ben@sluice.test>'], 'Subject: from elsewhere\r\n\r\nx')
  const lines = box.logged.map((line) => JSON.parse(line)).filter(({ msg }) => /stored$/.test(msg))
  expect(lines.map(({ msg, recipient, id }) => [msg, recipient, id])).toEqual([
    ['stored', 'ben@sluice.test', '01KAPQ3NDEKTSV4RRF'],
    ['not stored', 'small@sluice.test', '01KAPQ3NDEKTSV4RRF'],
    ['stored', 'ben@sluice.test', undefined],
  ])
})

it('R-size: a message beyond the limit is refused by SIZE and, read to its end, after the dot', async () => {
  await box.client.say('MAIL FROM:<s@example.org>')
  await box.client.say('RSET')
  expect(await box.client.say(`MAIL FROM:<s@example.org> SIZE=${26 * MIB}`)).toMatch(/^552 5\.3\.4/)
  const { dot } = await box.client.deliver('s@example.org', ['<ben@sluice.test>'], `A: b\r\n\r\n${'x\r\n'.repeat(9 * MIB)}`)
  expect(dot).toEqual([expect.stringMatching(/^552 5\.3\.4 /)])
  expect([...(await box.filesOf('ben')), ...(await box.filesOf('ben', 'tmp'))]).toEqual([])
})

it.each(['a\nb', 'a\rb', 'a\0b', 'a\n.\nMAIL FROM:<x@y.test>', 'a\n.\r\nb', 'a\r\n.\nb'])(
  'R-smuggle: content %j is 550 5.6.11 for each recipient, and nothing in it is a command',
  async (content) => {
    await box.begin(['<ben@sluice.test>', '<anna@sluice.test>'])
    box.client.socket.write(`Subject: x\r\n\r\n${content}\r\n.\r\n`)
    expect([await box.client.reply(), await box.client.reply()]).toEqual([
      expect.stringMatching(/^550 5\.6\.11/),
      expect.stringMatching(/^550 5\.6\.11/),
    ])
    expect(await box.client.say('NOOP')).toMatch(/^250 2\.0\.0/)
    expect([...(await box.filesOf('ben')), ...(await box.filesOf('ben', 'tmp'))]).toEqual([])
  },
)

it('R-smuggle: a command that ends with LF alone is 500 5.5.2 and never runs', async () => {
  box.client.socket.write('NOOP\nNOOP\r\n')
  expect(await box.client.reply()).toMatch(/^500 5\.5\.2/)
  expect(await box.client.reply()).toMatch(/^250 2\.0\.0/)
})

it('R-dots: dots arrive as they were sent, and lines of dots cost linear time', async () => {
  await box.begin()
  box.client.socket.write('Subject: x\r\n\r\n..\r\n..a\r\na.b\r\n...\r\n.\r\n')
  expect(await box.client.reply()).toMatch(/^250/)
  expect(await box.mailOf('ben')).toMatch(/\n\n\.\n\.a\na\.b\n\.\.\n$/)
  await box.begin(['<anna@sluice.test>'])
  const before = process.cpuUsage()
  box.client.socket.write('Subject: x\r\n\r\n')
  box.client.socket.write('..\r\n'.repeat(MIB))
  box.client.socket.write('.\r\n')
  expect(await box.client.reply()).toMatch(/^250/)
  expect(process.cpuUsage(before).user / 1000).toBeLessThan(1500)
  expect((await stat((await box.filesOf('anna'))[0]!)).size).toBeGreaterThan(2 * MIB)
})

it('R-limits: errors and no-ops end with 421, refused recipients do not count', async () => {
  await box.client.say('MAIL FROM:<s@example.org>')
  for (let i = 0; i < 30; i++) expect(await box.client.say('RCPT TO:<nobody@sluice.test>')).toMatch(/^550 5\.1\.1/)
  expect(await box.client.say('DATA')).toMatch(/^503 5\.5\.1/)
  for (let i = 0; i < 20; i++) expect(await box.client.say('WIZ')).toMatch(/^500 5\.5\.2/)
  expect(await box.client.reply()).toMatch(/^421 4\.7\.0/)
  expect(await box.client.reply()).toBe('closed')
  const idle = await box.connect()
  for (let i = 0; i < 100; i++) await idle.say('NOOP')
  expect(await idle.reply()).toMatch(/^421 4\.7\.0/)
})

it('R-limits: recipients beyond 100 get 452 4.5.3, a command too long 500 5.5.2', async () => {
  await box.client.say('MAIL FROM:<s@example.org>')
  for (let i = 0; i < 100; i++) expect(await box.client.say('RCPT TO:<ben@sluice.test>')).toMatch(/^250/)
  expect(await box.client.say('RCPT TO:<ben@sluice.test>')).toMatch(/^452 4\.5\.3/)
  expect(await box.client.say(`NOOP ${'x'.repeat(5000)}`)).toMatch(/^500 5\.5\.2/)
})

it('R-limits: connections beyond the limit get 421 4.3.2', async () => {
  const all = [box.client]
  for (let i = 1; i < 50; i++) all.push(await box.connect())
  const late = await lmtpClient(box.port)
  expect(await late.reply()).toMatch(/^421 4\.3\.2/)
  for (const each of [...all, late]) each.close()
})

it('R-limits: silence and sessions that bring nothing end with 421 4.4.2', async () => {
  await box.restart({ idleMs: 150 })
  expect(await (await box.connect()).reply()).toMatch(/^421 4\.4\.2/)
  await box.restart({ sessionMs: 200 })
  const busy = await box.connect()
  expect(await busy.reply()).toMatch(/^421 4\.4\.2/)
})

it('R-size: what goes on beyond four times the limit gets 552 5.3.4 and is closed', async () => {
  await box.restart({ sizeBytes: 100_000 })
  box.client = await box.connect()
  await box.begin()
  const lines = Buffer.from('x\r\n'.repeat(100_000))
  const sending = setInterval(() => box.client.socket.writableNeedDrain || box.client.socket.write(lines), 1)
  expect(await box.client.reply()).toMatch(/^552 5\.3\.4/)
  clearInterval(sending)
  expect(await box.client.reply()).toBe('closed')
  await expect.poll(() => box.filesOf('ben', 'tmp')).toEqual([])
  expect(await box.filesOf('ben')).toEqual([])
})

it('R-order: orders, paths and parameters that do not fit are refused, undocumented commands unknown', async () => {
  const cases: [string, RegExp][] = [
    ['EHLO x', /^500/],
    ['RCPT TO:<ben@sluice.test>', /^503 5\.5\.1/],
    ['MAIL FROM:<a@@b>', /^501 5\.1\.7/],
    ['MAIL FROM:<a@b.test> FOO=1', /^555 5\.5\.4/],
    ['MAIL FROM:<a@b.test> SIZE=x', /^501 5\.5\.4/],
    ['MAIL FROM:<a@b.test> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=1', /^250 2\.1\.0/],
    ['MAIL FROM:<a@b.test>', /^503 5\.5\.1/],
    ['RCPT TO:<>', /^501 5\.1\.3/],
    ['RCPT TO:<ben@sluice.test> NOTIFY=NEVER', /^250 2\.1\.5/],
    ['NOOP', /^250 2\.0\.0/],
    ['WIZ', /^500 5\.5\.2/],
    ['SHELL', /^500 5\.5\.2/],
    ['XCLIENT ADDR=1.2.3.4', /^500 5\.5\.2/],
  ]
  for (const [line, reply] of cases) expect(await box.client.say(line), line).toMatch(reply)
})

it('R-banner: the banner comes without a wait', async () => {
  const times: number[] = []
  for (let i = 0; i < 5; i++) {
    const startedAt = performance.now()
    const fresh = await box.connect()
    times.push(performance.now() - startedAt)
    fresh.close()
  }
  expect(Math.min(...times)).toBeLessThan(80)
})

it('R-shutdown: idle clients get 421 4.3.2 at once, a running transaction ends, then 421', async () => {
  const idle = await box.connect()
  await box.client.say('MAIL FROM:<s@example.org>')
  await box.client.say('RCPT TO:<ben@sluice.test>')
  await box.client.say('DATA')
  const closed = box.mailbox.close()
  expect(await idle.reply()).toMatch(/^421 4\.3\.2/)
  expect(await idle.reply()).toBe('closed')
  expect(await box.client.say('Subject: x\r\n\r\nlast\r\n.')).toMatch(/^250 2\.0\.0/)
  expect(await box.client.reply()).toMatch(/^421 4\.3\.2/)
  expect(await box.client.reply()).toBe('closed')
  box.client.close()
  await closed
  expect(await box.mailOf('ben')).toContain('last')
})

it('R-shutdown: a transaction that does not end is cut off after the grace time', async () => {
  await box.client.say('MAIL FROM:<s@example.org>')
  await box.mailbox.close()
  expect(await box.client.reply()).toMatch(/^421 4\.3\.2|^closed/)
})
