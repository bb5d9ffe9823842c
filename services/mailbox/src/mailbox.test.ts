import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createLogger, createMetrics } from '@sluice/runtime'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { MailAccount } from './deliver.ts'
import { createMailbox, type Mailbox } from './mailbox.ts'
import { type LmtpClient, lmtpClient } from './test-support/lmtp-client.ts'

const MIB = 1_048_576
const limits = {
  sizeBytes: 25 * MIB,
  recipients: 1000,
  hops: 100,
  errors: 20,
  noops: 100,
  connections: 50,
  connectionsPerClient: 50,
  idleMs: 60_000,
  sessionMs: 60_000,
  commandLineBytes: 2048,
}
const accounts: MailAccount[] = [
  { address: 'anna@sluice.test', quotaBytes: null },
  { address: 'Anna@sluice.test', quotaBytes: null },
  { address: 'ben@sluice.test', quotaBytes: null },
  { address: 'small@sluice.test', quotaBytes: 2000 },
  { address: '"../odd"@sluice.test', quotaBytes: null },
]
const logged: string[] = []
const log = createLogger({ level: 'info', service: 'mailbox', destination: { write: (line) => void logged.push(line) } })

let directory: string
let mailbox: Mailbox
let port: number
let client: LmtpClient
let registry: ReturnType<typeof createMetrics>
let clock: number

const connect = async (): Promise<LmtpClient> => {
  const fresh = await lmtpClient(port)
  expect(await fresh.reply()).toMatch(/^220 mx\.sluice\.test LMTP/)
  await fresh.say('LHLO client.test')
  return fresh
}

const create = (changed: Partial<typeof limits> = {}): Mailbox => {
  registry = createMetrics('mailbox', { processFigures: false })
  return createMailbox({
    config: {
      hostname: 'mx.sluice.test',
      limits: { ...limits, ...changed },
      mailbox: { listen: { host: '127.0.0.1', port: 0 }, directory },
      shutdownGraceMs: 300,
    },
    directory: {
      account: (address) => {
        const found = accounts.find((account) => account.address === address)
        return found === undefined ? null : { ...found, password: null }
      },
    },
    log,
    metrics: registry,
    now: () => clock,
  })
}

beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'sluice-mail-')), 'not', 'there', 'yet')
  clock = Date.now()
  logged.length = 0
  mailbox = create()
  port = (await mailbox.listen()).port
  client = await connect()
})
afterEach(async () => {
  client.close()
  await mailbox.close()
  await rm(join(directory, '..', '..', '..'), { recursive: true, force: true })
})

const filesOf = async (account: string, kind = 'new'): Promise<string[]> => {
  const folder = join(directory, 'sluice.test', account, kind)
  return (await readdir(folder).catch(() => [])).map((name) => join(folder, name))
}
const mailOf = async (account: string): Promise<string> => readFile((await filesOf(account))[0]!, 'utf8')

it('R-maildir: a mail lies in new with Return-Path, X-Original-To and Delivered-To once it is answered 250', async () => {
  const content = 'Return-Path: <forged@example.org>\r\nSubject: hello\r\n\r\nfirst\r\n.dot\r\n'
  const { rcpt, dot } = await client.deliver(
    'sender@example.org',
    ['<anna@sluice.test> ORCPT=rfc822;sales+2Bshop@sluice.test'],
    content,
  )
  expect(rcpt).toEqual(['250 2.1.5 recipient ok'])
  expect(dot).toEqual(['250 2.0.0 delivered to <anna@sluice.test>'])
  expect(await mailOf('anna')).toBe(
    [
      'Return-Path: <sender@example.org>',
      'X-Original-To: sales+shop@sluice.test',
      'Delivered-To: anna@sluice.test',
      'Subject: hello',
      '',
      'first',
      '.dot',
      '',
      '',
    ].join('\n'),
  )
  const [path] = await filesOf('anna')
  expect(path).toMatch(/\/\d+\.M\d+P\d+R[0-9a-f]{16}\.mx\.sluice\.test,S=\d+$/)
  expect(Number(/S=(\d+)/.exec(path!)?.[1])).toBe((await stat(path!)).size)
  expect(await filesOf('anna', 'tmp')).toEqual([])
  expect((await stat(join(directory, 'sluice.test', 'anna', 'cur'))).mode & 0o777).toBe(0o700)
  expect(await registry.getSingleMetricAsString('sluice_mailbox_recipients_total')).toContain(
    'result="delivered",service="mailbox"} 1',
  )
})

it('R-maildir: no folder is made before there is mail', async () => {
  expect(await client.say('MAIL FROM:<>')).toMatch(/^250/)
  expect(await client.say('RCPT TO:<anna@sluice.test>')).toMatch(/^250/)
  await expect(readdir(directory)).rejects.toMatchObject({ code: 'ENOENT' })
})

it('R-null: the null reverse-path is taken and stands in Return-Path', async () => {
  await client.deliver('', ['<anna@sluice.test>'], 'Subject: notice\r\n\r\nx')
  expect(await mailOf('anna')).toMatch(/^Return-Path: <>\n/)
})

it('R-lmtp: one reply per recipient after the dot, in their order, also for names that differ in case only', async () => {
  const { rcpt, dot } = await client.deliver(
    's@example.org',
    ['<anna@sluice.test>', '<nobody@sluice.test>', '<Anna@sluice.test>', '<"../odd"@sluice.test>', '<anna@sluice.test>'],
    `X: ${'y'.repeat(200)}\r\nDelivered-To: Anna@sluice.test\r\n\r\nx`,
  )
  expect(rcpt.map((reply) => reply.slice(0, 9))).toEqual(['250 2.1.5', '550 5.1.1', '250 2.1.5', '250 2.1.5', '250 2.1.5'])
  expect(dot.map((reply) => reply.slice(0, 9))).toEqual(['554 5.4.6', '554 5.4.6', '250 2.0.0', '554 5.4.6'])
  expect(await filesOf('%22..%2Fodd%22')).toHaveLength(1)
})

it('R-duplicate: an account named twice gets the mail once, and each RCPT its reply', async () => {
  const { dot } = await client.deliver('s@example.org', ['<ben@sluice.test>', '<ben@sluice.test>'], 'A: b\r\n\r\nx')
  expect(dot).toHaveLength(2)
  expect(await filesOf('ben')).toHaveLength(1)
})

it('R-maildir: an own Delivered-To is a loop, 554 5.4.6, and the others get the mail', async () => {
  const { dot } = await client.deliver(
    's@example.org',
    ['<ben@sluice.test>', '<"../odd"@sluice.test>'],
    'Received: x\r\nDelivered-To: ben@sluice.test\r\n\r\nDelivered-To: "../odd"@sluice.test\r\n',
  )
  expect(dot.map((reply) => reply.slice(0, 9))).toEqual(['554 5.4.6', '250 2.0.0'])
  expect(await filesOf('ben')).toEqual([])
  expect(await filesOf('ben', 'tmp')).toEqual([])
})

it('R-gone: an account that does not exist is 550 5.1.1', async () => {
  const { rcpt } = await client.deliver('s@example.org', ['<nobody@sluice.test>'], 'x')
  expect(rcpt).toEqual(['550 5.1.1 no such recipient here'])
  expect(await client.say('DATA')).toMatch(/^503 5\.5\.1/)
})

it('R-gone: over quota is 452 4.2.2, at RCPT when declared and after the dot when found; deleted mail counts no more', async () => {
  const body = (bytes: number): string => `Subject: x\r\n\r\n${'x'.repeat(bytes)}\r\n`
  expect((await client.deliver('s@example.org', ['<small@sluice.test>'], body(1200))).dot[0]).toMatch(/^250/)
  const second = await client.deliver('s@example.org', ['<small@sluice.test>', '<ben@sluice.test>'], body(1200))
  expect(second.dot.map((reply) => reply.slice(0, 9))).toEqual(['452 4.2.2', '250 2.0.0'])
  await client.say('MAIL FROM:<s@example.org> SIZE=1900')
  expect(await client.say('RCPT TO:<small@sluice.test>')).toMatch(/^452 4\.2\.2/)
  await client.say('RSET')
  expect(await filesOf('small', 'tmp')).toEqual([])
  await rm((await filesOf('small'))[0]!)
  expect((await client.deliver('s@example.org', ['<small@sluice.test>'], body(1200))).dot[0]).toMatch(/^250/)
  expect((await client.deliver('s@example.org', ['<small@sluice.test>'], body(100))).dot[0]).toMatch(/^250/)
  expect(await readFile(join(directory, 'sluice.test', 'small', 'maildirsize'), 'utf8')).toMatch(/^2000S\n(\d+ \d+\n){3}$/)
})

it('R-gone: a folder that cannot be written is 451 for its recipient only, and the log says why', async () => {
  await mkdir(join(directory, 'sluice.test'), { recursive: true })
  await writeFile(join(directory, 'sluice.test', 'ben'), 'a file, not a folder')
  const { dot } = await client.deliver('s@example.org', ['<ben@sluice.test>', '<anna@sluice.test>'], 'A: b\r\n\r\nx')
  expect(dot.map((reply) => reply.slice(0, 9))).toEqual(['451 4.3.0', '250 2.0.0'])
  expect(logged.join('')).toMatch(/(ENOTDIR|EEXIST).*mail could not be stored/)
})

it('R-size: a message beyond the limit is refused by SIZE and, read to its end, after the dot', async () => {
  await client.say('MAIL FROM:<s@example.org>')
  await client.say('RSET')
  expect(await client.say(`MAIL FROM:<s@example.org> SIZE=${26 * MIB}`)).toMatch(/^552 5\.3\.4/)
  const { dot } = await client.deliver('s@example.org', ['<ben@sluice.test>'], `A: b\r\n\r\n${'x\r\n'.repeat(9 * MIB)}`)
  expect(dot).toEqual([expect.stringMatching(/^552 5\.3\.4 /)])
  expect([...(await filesOf('ben')), ...(await filesOf('ben', 'tmp'))]).toEqual([])
})

const begin = async (to = ['<ben@sluice.test>']): Promise<void> => {
  await client.say('MAIL FROM:<s@example.org>')
  for (const address of to) await client.say(`RCPT TO:${address}`)
  expect(await client.say('DATA')).toMatch(/^354/)
}

it.each(['a\nb', 'a\rb', 'a\0b', 'a\n.\nMAIL FROM:<x@y.test>', 'a\n.\r\nb', 'a\r\n.\nb'])(
  'R-smuggle: content %j is 550 5.6.11 for each recipient, and nothing in it is a command',
  async (content) => {
    await begin(['<ben@sluice.test>', '<anna@sluice.test>'])
    client.socket.write(`Subject: x\r\n\r\n${content}\r\n.\r\n`)
    expect([await client.reply(), await client.reply()]).toEqual([
      expect.stringMatching(/^550 5\.6\.11/),
      expect.stringMatching(/^550 5\.6\.11/),
    ])
    expect(await client.say('NOOP')).toMatch(/^250 2\.0\.0/)
    expect([...(await filesOf('ben')), ...(await filesOf('ben', 'tmp'))]).toEqual([])
  },
)

it('R-smuggle: a command that ends with LF alone is 500 5.5.2 and never runs', async () => {
  client.socket.write('NOOP\nNOOP\r\n')
  expect(await client.reply()).toMatch(/^500 5\.5\.2/)
  expect(await client.reply()).toMatch(/^250 2\.0\.0/)
})

it('R-dots: dots arrive as they were sent, and lines of dots cost linear time', async () => {
  await begin()
  client.socket.write('Subject: x\r\n\r\n..\r\n..a\r\na.b\r\n...\r\n.\r\n')
  expect(await client.reply()).toMatch(/^250/)
  expect(await mailOf('ben')).toMatch(/\n\n\.\n\.a\na\.b\n\.\.\n$/)
  await begin(['<anna@sluice.test>'])
  const before = process.cpuUsage()
  client.socket.write('Subject: x\r\n\r\n')
  client.socket.write('..\r\n'.repeat(MIB))
  client.socket.write('.\r\n')
  expect(await client.reply()).toMatch(/^250/)
  expect(process.cpuUsage(before).user / 1000).toBeLessThan(1500)
  expect((await stat((await filesOf('anna'))[0]!)).size).toBeGreaterThan(2 * MIB)
})

it('R-limits: errors and no-ops end with 421, refused recipients do not count', async () => {
  await client.say('MAIL FROM:<s@example.org>')
  for (let i = 0; i < 30; i++) expect(await client.say('RCPT TO:<nobody@sluice.test>')).toMatch(/^550 5\.1\.1/)
  expect(await client.say('DATA')).toMatch(/^503 5\.5\.1/)
  for (let i = 0; i < 20; i++) expect(await client.say('WIZ')).toMatch(/^500 5\.5\.2/)
  expect(await client.reply()).toMatch(/^421 4\.7\.0/)
  expect(await client.reply()).toBe('closed')
  const idle = await connect()
  for (let i = 0; i < 100; i++) await idle.say('NOOP')
  expect(await idle.reply()).toMatch(/^421 4\.7\.0/)
})

it('R-limits: recipients beyond 100 get 452 4.5.3, a command too long 500 5.5.2', async () => {
  await client.say('MAIL FROM:<s@example.org>')
  for (let i = 0; i < 100; i++) expect(await client.say('RCPT TO:<ben@sluice.test>')).toMatch(/^250/)
  expect(await client.say('RCPT TO:<ben@sluice.test>')).toMatch(/^452 4\.5\.3/)
  expect(await client.say(`NOOP ${'x'.repeat(5000)}`)).toMatch(/^500 5\.5\.2/)
})

it('R-limits: connections beyond the limit get 421 4.3.2', async () => {
  const all = [client]
  for (let i = 1; i < 50; i++) all.push(await connect())
  const late = await lmtpClient(port)
  expect(await late.reply()).toMatch(/^421 4\.3\.2/)
  for (const each of [...all, late]) each.close()
})

it('R-limits: silence and sessions that bring nothing end with 421 4.4.2', async () => {
  await mailbox.close()
  mailbox = create({ idleMs: 150 })
  port = (await mailbox.listen()).port
  expect(await (await connect()).reply()).toMatch(/^421 4\.4\.2/)
  await mailbox.close()
  mailbox = create({ sessionMs: 200 })
  port = (await mailbox.listen()).port
  const busy = await connect()
  expect(await busy.reply()).toMatch(/^421 4\.4\.2/)
})

it('R-size: what goes on beyond four times the limit gets 552 5.3.4 and is closed', async () => {
  await mailbox.close()
  mailbox = create({ sizeBytes: 100_000 })
  port = (await mailbox.listen()).port
  client = await connect()
  await begin()
  const lines = Buffer.from('x\r\n'.repeat(100_000))
  const sending = setInterval(() => client.socket.writableNeedDrain || client.socket.write(lines), 1)
  expect(await client.reply()).toMatch(/^552 5\.3\.4/)
  clearInterval(sending)
  expect(await client.reply()).toBe('closed')
  await expect.poll(() => filesOf('ben', 'tmp')).toEqual([])
  expect(await filesOf('ben')).toEqual([])
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
  for (const [line, reply] of cases) expect(await client.say(line), line).toMatch(reply)
})

it('R-banner: the banner comes without a wait', async () => {
  const times: number[] = []
  for (let i = 0; i < 5; i++) {
    const startedAt = performance.now()
    const fresh = await connect()
    times.push(performance.now() - startedAt)
    fresh.close()
  }
  expect(Math.min(...times)).toBeLessThan(80)
})

it('a client that vanishes in DATA leaves nothing behind', async () => {
  await client.say('MAIL FROM:<s@example.org>')
  await client.say('RCPT TO:<ben@sluice.test>')
  await client.say('DATA')
  client.socket.write('Subject: half\r\n\r\nand then')
  await expect.poll(() => filesOf('ben', 'tmp')).toHaveLength(1)
  client.close()
  await expect.poll(() => filesOf('ben', 'tmp')).toEqual([])
  expect(await filesOf('ben')).toEqual([])
})

it('R-shutdown: idle clients get 421 4.3.2 at once, a running transaction ends, then 421', async () => {
  const idle = await connect()
  await client.say('MAIL FROM:<s@example.org>')
  await client.say('RCPT TO:<ben@sluice.test>')
  await client.say('DATA')
  const closed = mailbox.close()
  expect(await idle.reply()).toMatch(/^421 4\.3\.2/)
  expect(await idle.reply()).toBe('closed')
  expect(await client.say('Subject: x\r\n\r\nlast\r\n.')).toMatch(/^250 2\.0\.0/)
  expect(await client.reply()).toMatch(/^421 4\.3\.2/)
  expect(await client.reply()).toBe('closed')
  client.close()
  await closed
  expect(await mailOf('ben')).toContain('last')
})

it('R-shutdown: a transaction that does not end is cut off after the grace time', async () => {
  await client.say('MAIL FROM:<s@example.org>')
  await mailbox.close()
  expect(await client.reply()).toMatch(/^421 4\.3\.2|^closed/)
})

it('R-maildir: tmp files older than 36 hours are removed at the start, younger ones stay', async () => {
  const tmp = join(directory, 'sluice.test', 'ben', 'tmp')
  await mkdir(tmp, { recursive: true })
  for (const [name, hours] of [
    ['old', 37],
    ['young', 35],
  ] as const) {
    await writeFile(join(tmp, name), '')
    await utimes(join(tmp, name), clock / 1000 - hours * 3600, clock / 1000 - hours * 3600)
  }
  await mailbox.close()
  port = (await mailbox.listen()).port
  await expect.poll(() => readdir(tmp)).toEqual(['young'])
})

it('R-maildir: a Maildir reader that nobody here wrote reads it', async () => {
  const body = randomBytes(30_000).toString('base64').replace(/.{76}/g, '$&\r\n')
  await client.deliver('sender@example.org', ['<anna@sluice.test>'], `Subject: one\r\n\r\n${body}`)
  await client.deliver('sender@example.org', ['<anna@sluice.test>'], 'Subject: two\r\n\r\nshort')
  const script = `
import mailbox, json, sys
box = mailbox.Maildir(sys.argv[1], factory=None, create=False)
print(json.dumps(sorted([m['Subject'], m['Return-Path'], m['Delivered-To'], len(m.get_payload()), m.get_subdir()] for m in box)))
`
  const { stdout } = await promisify(execFile)('python3', ['-c', script, join(directory, 'sluice.test', 'anna')])
  expect(JSON.parse(stdout)).toEqual([
    ['one', '<sender@example.org>', 'anna@sluice.test', body.replaceAll('\r\n', '\n').length + 1, 'new'],
    ['two', '<sender@example.org>', 'anna@sluice.test', 6, 'new'],
  ])
})
