/** The notices as others read them: Mailman's bounce parser (flufl.bounce) and the mail reader of Python's own library. */
import { type Envelope, newMessageId, type Outcome, type Recipient } from '@sluice/contracts'
import { buildNotice, type NoticeInput, type RecipientResult } from '@sluice/dsn'
import { expire, judge, parseReply } from '@sluice/smtp'
import { expect, it } from 'vitest'
import { usePython } from './support/scene.ts'
import { runPython } from './tools/python.ts'

type Reading = {
  type: string
  reportType: string
  headers: Record<string, string>
  parts: string[]
  text: string
  status: Record<string, string>[]
  returned: { headers: Record<string, string>; body: string | null }
  defects: string[]
  permanent: string[]
  temporary: string[]
}

const python = usePython()

const host = 'mx.example.org'
const at = Date.UTC(2026, 10, 22, 12, 0, 0)

const replied = (stage: 'rcpt' | 'dot', text: string, relayed = false): Outcome =>
  judge({ kind: 'reply', stage, host, reply: parseReply(text.split('\n')), relayed }).outcome
const lost = judge({ kind: 'lost', stage: 'connect', host, what: 'connection timed out' }).outcome

const result = (address: string, outcome: Outcome, more: Partial<Recipient> = {}): RecipientResult => ({
  recipient: { address, ...more },
  outcome,
  host,
  lastAttemptAt: at + 1000,
})

const notice = (more: Partial<Omit<NoticeInput, 'envelope'>> & { envelope?: Partial<Envelope> }): Buffer => {
  const content = more.content ?? Buffer.from('From: anna@sluice.test\r\nSubject: Hello\r\n\r\nA line\r\n')
  const results = more.results ?? [result('bob@example.org', replied('rcpt', '550 5.1.1 no such user'))]
  const envelope: Envelope = {
    v: 1,
    id: newMessageId(at),
    from: 'anna@sluice.test',
    to: [{ address: 'bob@example.org' }],
    sizeBytes: content.length,
    body: '7bit',
    utf8: false,
    receivedAt: at,
    ...more.envelope,
  }
  const base: Omit<NoticeInput, 'envelope'> = {
    kind: 'failed',
    results,
    transcript: ['S: 220 mx.example.org ESMTP', 'C: QUIT'],
    content,
    isWhole: true,
    hostname: 'mx.sluice.test',
    maxContentBytes: 50 * 1024,
    now: at + 2000,
  }
  return buildNotice({ ...base, ...more, envelope }).content
}

const read = async (content: Buffer): Promise<Reading> => {
  const reading = JSON.parse(await runPython(python, 'read-notice.py', content)) as Reading
  expect(reading.defects).toEqual([])
  expect([reading.type, reading.reportType, reading.parts.length]).toEqual(['multipart/report', 'delivery-status', 3])
  return reading
}

it('R-report: others read who failed, with every field, and the whole message', async () => {
  const overdue = lost.kind === 'deferred' ? expire(lost) : lost
  const long = `a-rather-long-local-part-of-an-address@${'sub.'.repeat(20)}example.org`
  const results = [
    result('bob@example.org', replied('rcpt', '550-5.1.1 no\n550 5.1.1 such user'), { orcpt: 'rfc822;sales@sluice.test' }),
    result('"a  b"@example.org', replied('rcpt', '554 5.7.1 no')),
    result(long, overdue),
  ]
  const reading = await read(notice({ results, envelope: { envid: 'QQ314159' } }))
  expect(reading.parts).toEqual(['text/plain', 'message/delivery-status', 'message/rfc822'])
  // The list knows the address it wrote to: ORCPT, where there is one.
  expect(reading.permanent).toEqual(['"a  b"@example.org', long, 'sales@sluice.test'])
  expect(reading.temporary).toEqual([])
  expect(reading.status).toEqual([
    expect.objectContaining({ 'Reporting-MTA': 'dns; mx.sluice.test', 'Original-Envelope-Id': 'QQ314159' }),
    expect.objectContaining({
      'Original-Recipient': 'rfc822; sales@sluice.test',
      'Final-Recipient': 'rfc822; bob@example.org',
      Action: 'failed',
      Status: '5.1.1',
      'Remote-MTA': 'dns; mx.example.org',
      'Diagnostic-Code': 'smtp; 550 5.1.1 no such user',
      'Last-Attempt-Date': 'Sun, 22 Nov 2026 12:00:01 +0000',
    }),
    expect.objectContaining({ 'Final-Recipient': 'rfc822; "a  b"@example.org', Action: 'failed', Status: '5.7.1' }),
    expect.objectContaining({ 'Final-Recipient': `rfc822; ${long}`, Action: 'failed', Status: '4.4.7' }),
  ])
  expect(reading.returned).toMatchObject({ headers: { subject: 'Hello' }, body: 'A line\n' })
  expect(reading.headers).toMatchObject({
    from: 'Mail Delivery System <MAILER-DAEMON@mx.sluice.test>',
    to: 'anna@sluice.test',
    'auto-submitted': 'auto-replied',
  })
})

it('R-report: RET=HDRS returns the headers only', async () => {
  const reading = await read(notice({ envelope: { ret: 'HDRS' } }))
  expect(reading.parts[2]).toBe('text/rfc822-headers')
  expect(reading.returned).toMatchObject({ headers: { subject: 'Hello' }, body: null })
  expect(reading.permanent).toEqual(['bob@example.org'])
})

it('R-one-notice: a delay is read as temporary, a success as no failure', async () => {
  const delayed = await read(
    notice({ kind: 'delayed', results: [result('bob@example.org', lost)], willRetryUntil: at + 3_600_000 }),
  )
  expect([delayed.permanent, delayed.temporary]).toEqual([[], ['bob@example.org']])
  expect(delayed.status[1]).toMatchObject({
    Action: 'delayed',
    Status: '4.4.1',
    'Will-Retry-Until': 'Sun, 22 Nov 2026 13:00:00 +0000',
  })
  for (const kind of ['relayed', 'delivered'] as const) {
    const results = [result('bob@example.org', replied('dot', '250 2.0.0 ok', kind === 'relayed'))]
    const reading = await read(notice({ kind, results }))
    expect([reading.permanent, reading.temporary]).toEqual([[], []])
    expect(reading.status[1]).toMatchObject({ Action: kind, Status: '2.0.0' })
  }
})

it('R-transcript: UTF-8 replies and endless lines reach the reader unharmed, at the end of the text', async () => {
  const lines = ['S: 550 5.1.1 Empfänger unbekannt', `S: 250 ${'x'.repeat(3000)}`, 'C: QUIT']
  const results = [result('bob@example.org', replied('rcpt', '550 5.1.1 Empfänger unbekannt'))]
  const reading = await read(notice({ transcript: lines, results }))
  expect(reading.text.replaceAll('\r\n', '\n').endsWith(`\n${lines.join('\n')}\n`)).toBe(true)
  expect(reading.permanent).toEqual(['bob@example.org'])
})

it('R-8bit: an 8-bit message comes back readable, in seven bits', async () => {
  const content = Buffer.from(
    [
      'Subject: Hello',
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary=inner',
      'Content-Transfer-Encoding: 8bit',
      '',
      '--inner',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: 8bit',
      '',
      'Grüße aus Köln',
      '--inner--',
      '',
    ].join('\r\n'),
  )
  const written = notice({ content, envelope: { body: '8bit', sizeBytes: content.length } })
  expect(written.every((byte) => byte < 0x80)).toBe(true)
  const reading = await read(written)
  expect(reading.parts[2]).toBe('message/rfc822')
  expect(reading.returned.body?.trim()).toBe('Grüße aus Köln')
})

it('R-utf8: a UTF-8 message is reported in the global forms', async () => {
  const content = Buffer.from('From: müller@sluice.test\r\nSubject: Grüße\r\n\r\nHallo\r\n')
  const results = [result('jürgen@example.org', replied('rcpt', '550 5.1.1 no'))]
  const reading = await read(notice({ content, results, envelope: { utf8: true, sizeBytes: content.length } }))
  expect(reading.parts).toEqual(['text/plain', 'message/global-delivery-status', 'message/global'])
  expect(reading.status[1]).toMatchObject({ 'Final-Recipient': 'utf-8; jürgen@example.org', Action: 'failed', Status: '5.1.1' })
  expect(reading.returned.headers).toMatchObject({ subject: 'Grüße' })
  expect(reading.text).toContain('<jürgen@example.org>')
})
