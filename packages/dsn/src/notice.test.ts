import { type Envelope, isMessageId, newMessageId, type Outcome, type Recipient } from '@sluice/contracts'
import { expire, firstHeader, judge, parseReply, splitContent } from '@sluice/smtp'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isSevenBit } from './encoding.ts'
import { buildNotice, type NoticeInput, noticeId, type RecipientResult, wantsContent } from './index.ts'

const host = 'mx.example.org'
const at = Date.UTC(2026, 10, 22, 12, 0, 0)
const id = newMessageId(at)

const rcpt = (text: string, more: { ownMailbox?: boolean } = {}): Outcome =>
  judge({ kind: 'reply', stage: 'rcpt', host, reply: parseReply([text]), ...more }).outcome
const refused = rcpt('550 5.1.1 no such user')
const timedOut = judge({ kind: 'lost', stage: 'connect', host, what: 'connection timed out' }).outcome

const result = (address: string, outcome: Outcome = refused, more: Partial<Recipient> = {}): RecipientResult => ({
  recipient: { address, ...more },
  outcome,
  host,
  lastAttemptAt: at + 1000,
})

const original = Buffer.from(
  'From: anna@sluice.test\r\nSubject: Hello\r\nMessage-ID: <m1@sluice.test>\r\n\r\nFirst line\r\n.dot\r\n',
)

const envelope = (more: Partial<Envelope> = {}): Envelope => ({
  v: 1,
  id,
  from: 'anna@sluice.test',
  to: [{ address: 'bob@example.org' }],
  sizeBytes: original.length,
  body: '7bit',
  utf8: false,
  receivedAt: at,
  ...more,
})

const input = (more: Partial<NoticeInput> = {}): NoticeInput => ({
  kind: 'failed',
  envelope: envelope(),
  results: [result('bob@example.org')],
  transcript: ['S: 220 mx.example.org ESMTP', 'C: RCPT TO:<bob@example.org>', 'S: 550 5.1.1 no such user'],
  content: original,
  isWhole: true,
  hostname: 'mx.sluice.test',
  maxContentBytes: 50 * 1024,
  now: at + 2000,
  ...more,
})

type Part = { type: string; encoding: string; text: string }

const decodeQp = (text: string): string =>
  Buffer.from(
    text.replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  ).toString()

/** The parts as a reader sees them. */
const read = (given: NoticeInput): { header: Buffer; parts: Part[]; envelope: Envelope; content: Buffer } => {
  const notice = buildNotice(given)
  const { header, body } = splitContent(notice.content)
  const boundary = /boundary="([^"]+)"/.exec(firstHeader(header, 'content-type')!)![1]!
  const [, ...pieces] = `\r\n${body.toString('latin1')}`.split(`\r\n--${boundary}`)
  expect(pieces.at(-1)).toBe('--\r\n')
  const parts = pieces.slice(0, -1).map((piece) => {
    const part = splitContent(Buffer.from(piece.slice(2), 'latin1'))
    const encoding = firstHeader(part.header, 'content-transfer-encoding')!
    const text = part.body.toString('latin1')
    return { type: firstHeader(part.header, 'content-type')!, encoding, text: encoding === '7bit' ? text : decodeQp(text) }
  })
  return { header, parts, envelope: notice.envelope, content: notice.content }
}

const types = (given: NoticeInput): string[] => read(given).parts.map((part) => part.type)
const flat = (text: string): string => text.replace(/\s+/g, ' ')

describe('R-report: structure', () => {
  it('R-report: exactly three parts, from the null reverse-path to the sender only, and nobody answers it', () => {
    const { header, parts, envelope: own } = read(input())
    expect(parts.map((part) => part.type)).toEqual(['text/plain; charset=utf-8', 'message/delivery-status', 'message/rfc822'])
    expect(firstHeader(header, 'content-type')).toMatch(/^multipart\/report; report-type=delivery-status; boundary=/)
    expect(firstHeader(header, 'from')).toBe('Mail Delivery System <MAILER-DAEMON@mx.sluice.test>')
    expect(firstHeader(header, 'to')).toBe('<anna@sluice.test>')
    expect(firstHeader(header, 'auto-submitted')).toBe('auto-replied')
    expect(firstHeader(header, 'mime-version')).toBe('1.0')
    expect(firstHeader(header, 'date')).toBe('Sun, 22 Nov 2026 12:00:02 +0000')
    expect(firstHeader(header, 'message-id')).toBe(`<${own.id}@mx.sluice.test>`)
    expect(firstHeader(header, 'in-reply-to')).toBe('<m1@sluice.test>')
    expect(firstHeader(header, 'subject')).toBe('Not delivered: your message to bob@example.org')
    expect(own).toMatchObject({ from: '', to: [{ address: 'anna@sluice.test' }], notice: true, body: '7bit', utf8: false })
    expect(isMessageId(own.id)).toBe(true)
  })

  it('R-report: the status part has every field', () => {
    const { parts } = read(
      input({
        envelope: envelope({ envid: 'QQ+1 2' }),
        results: [result('bob@example.org', refused, { orcpt: 'rfc822;sales@sluice.test' })],
      }),
    )
    expect(parts[1]!.text).toBe(
      [
        'Reporting-MTA: dns; mx.sluice.test',
        'Original-Envelope-Id: QQ+1 2',
        'Arrival-Date: Sun, 22 Nov 2026 12:00:00 +0000',
        `X-Sluice-Message-ID: ${id}`,
        '',
        'Original-Recipient: rfc822; sales@sluice.test',
        'Final-Recipient: rfc822; bob@example.org',
        'Action: failed',
        'Status: 5.1.1',
        'Remote-MTA: dns; mx.example.org',
        'Diagnostic-Code: smtp; 550 5.1.1 no such user',
        'Last-Attempt-Date: Sun, 22 Nov 2026 12:00:01 +0000',
        '',
      ].join('\r\n'),
    )
  })

  it('R-report: RET decides between the whole message and its headers, and the limit overrules it', () => {
    const whole = read(input({ envelope: envelope({ ret: 'FULL' }) })).parts[2]!
    expect(whole).toMatchObject({ type: 'message/rfc822', text: original.toString() })
    const headers = read(input({ envelope: envelope({ ret: 'HDRS' }) })).parts[2]!
    expect(headers.type).toBe('text/rfc822-headers')
    expect(headers.text).toBe('From: anna@sluice.test\r\nSubject: Hello\r\nMessage-ID: <m1@sluice.test>\r\n')
    expect(types(input({ maxContentBytes: original.length }))[2]).toBe('message/rfc822')
    expect(types(input({ maxContentBytes: original.length - 1 }))[2]).toBe('text/rfc822-headers')
  })

  it('R-report: the content need be read only for a failure notice that carries it', () => {
    const wants = (kind: NoticeInput['kind'], more: Partial<Envelope> = {}) =>
      wantsContent({ kind, envelope: envelope(more), maxContentBytes: 1000 })
    expect(wants('failed')).toBe(true)
    expect(wants('failed', { ret: 'HDRS' })).toBe(false)
    expect(wants('failed', { sizeBytes: 1001 })).toBe(false)
    expect(wants('delayed', { ret: 'FULL' })).toBe(false)
    expect(types(input({ content: splitContent(original).header, isWhole: false }))[2]).toBe('text/rfc822-headers')
    expect(types(input({ kind: 'delayed', results: [result('b@example.org', timedOut)] }))[2]).toBe('text/rfc822-headers')
  })

  it('R-report: an enormous header is cut at a field, so the notice stays small', () => {
    const content = Buffer.from(`${'X-Many: value\r\n'.repeat(100_000)}\r\nbody\r\n`)
    const { parts, content: written } = read(input({ content, envelope: envelope({ sizeBytes: content.length }) }))
    expect(parts[2]!.text).toMatch(/^(?:X-Many: value\r\n)+$/)
    expect(written.length).toBeLessThan(60_000)
  })

  it('R-report: a UTF-8 message is reported in the global forms of RFC 6533, in seven bits', () => {
    const content = Buffer.from('From: müller@sluice.test\r\nSubject: Grüße\r\n\r\nHallo\r\n')
    const given = input({
      content,
      envelope: envelope({ utf8: true, sizeBytes: content.length }),
      results: [result('jürgen@example.org', refused, { orcpt: 'utf-8;jürgen@example.org' })],
    })
    const { parts, envelope: own, content: written } = read(given)
    expect(parts.map((part) => part.type).slice(1)).toEqual(['message/global-delivery-status', 'message/global'])
    expect(parts[1]!.text).toContain('Final-Recipient: utf-8; jürgen@example.org\r\n')
    expect(parts[2]!.text).toBe(content.toString())
    expect(own.utf8).toBe(false)
    expect(written.every((byte) => byte < 0x80)).toBe(true)
    expect(types({ ...given, envelope: envelope({ utf8: true, ret: 'HDRS' }) })[2]).toBe('message/global-headers')
  })

  it('R-utf8: a notice to a UTF-8 sender needs SMTPUTF8 itself', () => {
    const given = input({ envelope: envelope({ from: 'müller@sluice.test', utf8: true }) })
    expect(read(given).envelope).toMatchObject({ utf8: true, body: '8bit', to: [{ address: 'müller@sluice.test' }] })
  })

  it('R-8bit: an 8-bit message is returned whole in seven bits', () => {
    const content = Buffer.from('Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n')
    const { parts, content: written } = read(input({ content, envelope: envelope({ body: '8bit', sizeBytes: content.length }) }))
    expect(parts[2]!.type).toBe('message/rfc822')
    expect(decodeQp(parts[2]!.text)).toContain('Grüße')
    expect(written.every((byte) => byte < 0x80)).toBe(true)
  })
})

it('R-report: a reply in UTF-8 or without end keeps the status part in ASCII and in bounds', () => {
  const results = [result('bob@example.org', rcpt(`550 5.1.1 Empfänger unbekannt ${'x'.repeat(10_000)}`))]
  const { type, encoding, text } = read(input({ results })).parts[1]!
  expect([type, encoding]).toEqual(['message/delivery-status', '7bit'])
  expect(flat(text)).toContain('Diagnostic-Code: smtp; 550 5.1.1 Empf?nger unbekannt xxx')
  expect(text.length).toBeLessThan(5000)
})

describe('R-causes: the text tells in words what happened and what to do', () => {
  it.each<[string, Outcome, RegExp]>([
    [
      'account-gone',
      rcpt('550 5.1.1 gone', { ownMailbox: true }),
      /The account is gone: .* Please ask the person for the new address/,
    ],
    ['refused', refused, /The mail system of the other side refused .* Please check the address/],
    [
      'unreachable',
      timedOut.kind === 'deferred' ? expire(timedOut) : timedOut,
      /There is no route to the destination: .* try again later/,
    ],
  ])('R-causes: %s', (_, outcome, words) => {
    const text = flat(read(input({ results: [result('bob@example.org', outcome)] })).parts[0]!.text)
    expect(text).toMatch(words)
    expect(text).toContain('could not be delivered to the address below')
    expect(text.match(/The account is gone|The mail system of the other side refused|There is no route/g)?.length).toBe(1)
  })

  it('R-causes: an alias is named as the sender wrote it', () => {
    const given = input({ results: [result('anna@example.org', refused, { original: 'sales@sluice.test' })] })
    expect(read(given).parts[0]!.text).toContain('  <sales@sluice.test> (which leads to <anna@example.org>)\r\n')
  })

  it('R-one-notice: delay and success notices have words of their own and their Action', () => {
    const delayed = read(
      input({ kind: 'delayed', results: [result('b@example.org', timedOut)], willRetryUntil: at + 36_000_000 }),
    )
    expect(flat(delayed.parts[0]!.text)).toContain('has not reached the address below yet. You need not do anything')
    expect(delayed.parts[1]!.text).toMatch(/Action: delayed\r\nStatus: 4\.4\.1\r\n/)
    expect(delayed.parts[1]!.text).toContain('Will-Retry-Until: Sun, 22 Nov 2026 22:00:00 +0000\r\n')
    const done = (relayed: boolean) =>
      judge({ kind: 'reply', stage: 'dot', host, reply: parseReply(['250 2.0.0 ok']), relayed }).outcome
    const relayed = read(input({ kind: 'relayed', results: [result('b@example.org', done(true))] }))
    expect(relayed.parts[1]!.text).toMatch(/Action: relayed\r\nStatus: 2\.0\.0\r\n/)
    const delivered = read(input({ kind: 'delivered', results: [result('b@example.org', done(false))] }))
    expect(delivered.parts[1]!.text).toContain('Action: delivered\r\n')
    expect(flat(delivered.parts[0]!.text)).toContain('it lies in the mailbox')
  })
})

describe('R-transcript', () => {
  it('R-transcript: the text ends with the full transcript', () => {
    expect(read(input()).parts[0]!.text).toMatch(
      /\r\nS: 220 mx\.example\.org ESMTP\r\nC: RCPT TO:<bob@example\.org>\r\nS: 550 5\.1\.1 no such user\r\n$/,
    )
  })

  it('R-transcript: credentials are redacted even when the writer forgot', () => {
    const { parts } = read(input({ transcript: ['C: AUTH PLAIN AGFubmEAc2VjcmV0', 'S: 235 ok'] }))
    expect(parts[0]!.text).toContain('C: AUTH PLAIN [redacted]\r\n')
  })

  it('R-transcript: UTF-8, control characters and endless lines stay in their line, and the notice in seven bits', () => {
    const { parts, content } = read(input({ transcript: ['S: 550 Empfänger\r\nBcc: x\0', `S: 550 ${'x'.repeat(5000)}`] }))
    expect(parts[0]!.encoding).toBe('quoted-printable')
    expect(parts[0]!.text).toContain('S: 550 Empfänger Bcc: x \r\n')
    expect(parts[0]!.text).toContain('x'.repeat(5000))
    expect(content.every((byte) => byte < 0x80)).toBe(true)
  })
})

it('R-report: whatever far ends, senders and messages hold, three parts of seven-bit lines come out', () => {
  const nasty = fc.string({ unit: 'binary', maxLength: 200 })
  const reply = fc.record({ code: fc.constant(550), text: fc.array(nasty, { minLength: 1, maxLength: 3 }) })
  const field = fc.tuple(
    fc.constantFrom('Subject', 'Message-ID', 'X-Y'),
    nasty.map((text) => text.replace(/[\r\n]/g, ' ')),
  )
  fc.assert(
    fc.property(
      fc.array(reply, { minLength: 1, maxLength: 3 }),
      fc.array(nasty),
      fc.array(field),
      nasty,
      (replies, transcript, fields, body) => {
        const header = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
        const content = Buffer.from(`${header}\r\n${body}\r\n`)
        const results = replies.map((given, i) =>
          result(`user${i}@example.org`, judge({ kind: 'reply', stage: 'rcpt', host, reply: given }).outcome),
        )
        const notice = read(input({ results, transcript, content, envelope: envelope({ sizeBytes: content.length }) }))
        expect(notice.parts.length).toBe(3)
        expect(notice.parts[1]!.encoding).toBe('7bit')
        expect(isSevenBit(notice.content)).toBe(true)
        expect(notice.parts[1]!.text.match(/^Final-Recipient:/gm)?.length).toBe(results.length)
      },
    ),
    { numRuns: 300 },
  )
})

it('R-one-notice: the ID follows from message, kind and recipients, in any order', () => {
  const one = noticeId(id, 'failed', ['a@x', 'b@x'])
  expect(isMessageId(one)).toBe(true)
  expect(one.slice(0, 10)).toBe(id.slice(0, 10))
  expect(noticeId(id, 'failed', ['b@x', 'a@x'])).toBe(one)
  const others = [
    noticeId(id, 'delayed', ['a@x', 'b@x']),
    noticeId(id, 'failed', ['a@x']),
    noticeId(id, 'failed', ['a@x,b@x']),
    id,
  ]
  expect(new Set([one, ...others]).size).toBe(5)
  expect(buildNotice(input()).content.equals(buildNotice(input()).content)).toBe(true)
})

it('R-double: a notice to the null reverse-path cannot be built', () => {
  expect(() => buildNotice(input({ envelope: envelope({ from: '' }) }))).toThrow(/reverse-path/)
})
