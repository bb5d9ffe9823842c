/** What lies in accounts' folders, and what does not come to lie there. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { useMailbox } from './test-support/mailbox.ts'

const box = useMailbox()

it('R-maildir: a mail lies in new with Return-Path, X-Original-To and Delivered-To once it is answered 250', async () => {
  const content = 'Return-Path: <forged@example.org>\r\nSubject: hello\r\n\r\nfirst\r\n.dot\r\n'
  const { rcpt, dot } = await box.client.deliver(
    'sender@example.org',
    ['<anna@sluice.test> ORCPT=rfc822;sales+2Bshop@sluice.test'],
    content,
  )
  expect(rcpt).toEqual(['250 2.1.5 recipient ok'])
  expect(dot).toEqual(['250 2.0.0 delivered to <anna@sluice.test>'])
  expect(await box.mailOf('anna')).toBe(
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
  const [path] = await box.filesOf('anna')
  expect(path).toMatch(/\/\d+\.M\d+P\d+R[0-9a-f]{16}\.mx\.sluice\.test,S=\d+$/)
  expect(Number(/S=(\d+)/.exec(path!)?.[1])).toBe((await stat(path!)).size)
  expect(await box.filesOf('anna', 'tmp')).toEqual([])
  expect((await stat(join(box.directory, 'sluice.test', 'anna', 'cur'))).mode & 0o777).toBe(0o700)
  expect(await box.registry.getSingleMetricAsString('sluice_mailbox_recipients_total')).toContain(
    'result="delivered",service="mailbox"} 1',
  )
})

it('R-maildir: no folder is made before there is mail', async () => {
  expect(await box.client.say('MAIL FROM:<>')).toMatch(/^250/)
  expect(await box.client.say('RCPT TO:<anna@sluice.test>')).toMatch(/^250/)
  await expect(readdir(box.directory)).rejects.toMatchObject({ code: 'ENOENT' })
})

it('R-null: the null reverse-path is taken and stands in Return-Path', async () => {
  await box.client.deliver('', ['<anna@sluice.test>'], 'Subject: notice\r\n\r\nx')
  expect(await box.mailOf('anna')).toMatch(/^Return-Path: <>\n/)
})

it('R-duplicate: an account named twice gets the mail once, and each RCPT its reply', async () => {
  const { dot } = await box.client.deliver('s@example.org', ['<ben@sluice.test>', '<ben@sluice.test>'], 'A: b\r\n\r\nx')
  expect(dot).toHaveLength(2)
  expect(await box.filesOf('ben')).toHaveLength(1)
})

it('R-maildir: an own Delivered-To is a loop, 554 5.4.6, and the others get the mail', async () => {
  const { dot } = await box.client.deliver(
    's@example.org',
    ['<ben@sluice.test>', '<"../odd"@sluice.test>'],
    'Received: x\r\nDelivered-To: ben@sluice.test\r\n\r\nDelivered-To: "../odd"@sluice.test\r\n',
  )
  expect(dot.map((reply) => reply.slice(0, 9))).toEqual(['554 5.4.6', '250 2.0.0'])
  expect(await box.filesOf('ben')).toEqual([])
  expect(await box.filesOf('ben', 'tmp')).toEqual([])
})

it('R-gone: an account that does not exist is 550 5.1.1', async () => {
  const { rcpt } = await box.client.deliver('s@example.org', ['<nobody@sluice.test>'], 'x')
  expect(rcpt).toEqual(['550 5.1.1 no such recipient here'])
  expect(await box.client.say('DATA')).toMatch(/^503 5\.5\.1/)
})

it('R-gone: over quota is 452 4.2.2, at RCPT when declared and after the dot when found; deleted mail counts no more', async () => {
  const body = (bytes: number): string => `Subject: x\r\n\r\n${'x'.repeat(bytes)}\r\n`
  expect((await box.client.deliver('s@example.org', ['<small@sluice.test>'], body(1200))).dot[0]).toMatch(/^250/)
  const second = await box.client.deliver('s@example.org', ['<small@sluice.test>', '<ben@sluice.test>'], body(1200))
  expect(second.dot.map((reply) => reply.slice(0, 9))).toEqual(['452 4.2.2', '250 2.0.0'])
  await box.client.say('MAIL FROM:<s@example.org> SIZE=1900')
  expect(await box.client.say('RCPT TO:<small@sluice.test>')).toMatch(/^452 4\.2\.2/)
  await box.client.say('RSET')
  expect(await box.filesOf('small', 'tmp')).toEqual([])
  await rm((await box.filesOf('small'))[0]!)
  expect((await box.client.deliver('s@example.org', ['<small@sluice.test>'], body(1200))).dot[0]).toMatch(/^250/)
  expect((await box.client.deliver('s@example.org', ['<small@sluice.test>'], body(100))).dot[0]).toMatch(/^250/)
  expect(await readFile(join(box.directory, 'sluice.test', 'small', 'maildirsize'), 'utf8')).toMatch(/^2000S\n(\d+ \d+\n){3}$/)
})

it('R-gone: a folder that cannot be written is 451 for its recipient only, and the log says why', async () => {
  await mkdir(join(box.directory, 'sluice.test'), { recursive: true })
  await writeFile(join(box.directory, 'sluice.test', 'ben'), 'a file, not a folder')
  const { dot } = await box.client.deliver('s@example.org', ['<ben@sluice.test>', '<anna@sluice.test>'], 'A: b\r\n\r\nx')
  expect(dot.map((reply) => reply.slice(0, 9))).toEqual(['451 4.3.0', '250 2.0.0'])
  expect(box.logged.join('')).toMatch(/(ENOTDIR|EEXIST).*mail could not be stored/)
})

it('a client that vanishes in DATA leaves nothing behind', async () => {
  await box.client.say('MAIL FROM:<s@example.org>')
  await box.client.say('RCPT TO:<ben@sluice.test>')
  await box.client.say('DATA')
  box.client.socket.write('Subject: half\r\n\r\nand then')
  await expect.poll(() => box.filesOf('ben', 'tmp')).toHaveLength(1)
  box.client.close()
  await expect.poll(() => box.filesOf('ben', 'tmp')).toEqual([])
  expect(await box.filesOf('ben')).toEqual([])
})

it('R-maildir: tmp files older than 36 hours are removed at the start, younger ones stay', async () => {
  const tmp = join(box.directory, 'sluice.test', 'ben', 'tmp')
  await mkdir(tmp, { recursive: true })
  for (const [name, hours] of [
    ['old', 37],
    ['young', 35],
  ] as const) {
    await writeFile(join(tmp, name), '')
    await utimes(join(tmp, name), box.clock / 1000 - hours * 3600, box.clock / 1000 - hours * 3600)
  }
  await box.mailbox.close()
  box.port = (await box.mailbox.listen()).port
  await expect.poll(() => readdir(tmp)).toEqual(['young'])
})

it('R-maildir: a Maildir reader that nobody here wrote reads it', async () => {
  const body = randomBytes(30_000).toString('base64').replace(/.{76}/g, '$&\r\n')
  await box.client.deliver('sender@example.org', ['<anna@sluice.test>'], `Subject: one\r\n\r\n${body}`)
  await box.client.deliver('sender@example.org', ['<anna@sluice.test>'], 'Subject: two\r\n\r\nshort')
  const script = `
import mailbox, json, sys
box = mailbox.Maildir(sys.argv[1], factory=None, create=False)
print(json.dumps(sorted([m['Subject'], m['Return-Path'], m['Delivered-To'], len(m.get_payload()), m.get_subdir()] for m in box)))
`
  const { stdout } = await promisify(execFile)('python3', ['-c', script, join(box.directory, 'sluice.test', 'anna')])
  expect(JSON.parse(stdout)).toEqual([
    ['one', '<sender@example.org>', 'anna@sluice.test', body.replaceAll('\r\n', '\n').length + 1, 'new'],
    ['two', '<sender@example.org>', 'anna@sluice.test', 6, 'new'],
  ])
})
