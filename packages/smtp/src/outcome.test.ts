import type { Outcome, Reply, Stage } from '@sluice/contracts'
import { stageSchema } from '@sluice/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expire, type Happening, judge } from './outcome.ts'
import { parseReply } from './reply.ts'

const host = 'mx.example.org'
const reply = (text: string): Reply | null => parseReply([text])
const said = (stage: Stage, text: string, more: Partial<Extract<Happening, { kind: 'reply' }>> = {}) =>
  judge({ kind: 'reply', stage, host, reply: reply(text), ...more })
const short = ({ outcome, concerns }: ReturnType<typeof judge>): string => `${outcome.kind} ${outcome.status} ${concerns}`

describe('R-outcome: replies', () => {
  it.each<[Stage, string, string]>([
    ['dot', '250 2.0.0 ok', 'delivered 2.0.0 message'],
    ['dot', '250 ok', 'delivered 2.0.0 message'],
    ['mail', '550 5.7.1 not you', 'bounced 5.7.1 message'],
    ['mail', '451 later', 'deferred 4.0.0 message'],
    ['mail', '552 5.3.4 too big', 'bounced 5.3.4 message'],
    ['mail', '530 5.7.0 Must issue a STARTTLS command first', 'deferred 4.7.0 host'],
    ['rcpt', '550 5.1.1 no such user', 'bounced 5.1.1 message'],
    ['rcpt', '450 4.2.0 greylisted', 'deferred 4.2.0 message'],
    ['rcpt', '552 5.2.2 mailbox full', 'deferred 4.2.2 message'],
    ['rcpt', '503 5.5.1 MAIL first', 'deferred 4.5.1 message'],
    ['data', '554 5.6.0 no', 'bounced 5.6.0 message'],
    ['data', '250 what', 'deferred 4.5.0 message'],
    ['data', '503 5.5.1 no valid recipients', 'deferred 4.5.1 message'],
    ['dot', '554 5.7.1 spam', 'bounced 5.7.1 message'],
    ['dot', '552 5.2.2 over quota', 'bounced 5.2.2 message'],
    ['dot', '452 4.3.1 disk full', 'deferred 4.3.1 message'],
    ['dot', '354 go on', 'deferred 4.5.0 message'],
    ['connect', '554 5.7.1 we do not like you', 'deferred 4.7.1 host'],
    ['greeting', '554 no', 'deferred 4.0.0 host'],
    ['ehlo', '550 5.7.1 bad name', 'deferred 4.7.1 host'],
    ['tls', '554 5.7.3 no', 'deferred 4.7.3 host'],
    ['auth', '535 5.7.8 wrong password', 'deferred 4.7.8 host'],
    ['mail', '421 4.3.2 closing', 'deferred 4.3.2 host'],
    ['rcpt', '421 4.3.2 closing', 'deferred 4.3.2 host'],
    ['dot', '421 4.3.2 closing', 'deferred 4.3.2 host'],
  ])('R-outcome: at %s, "%s" is %s', (stage, text, expected) => {
    expect(short(said(stage, text))).toBe(expected)
  })

  it('R-outcome: what is no reply is temporary, and after the dot unknown', () => {
    expect(said('rcpt', 'HTTP/1.1 400').outcome).toMatchObject({ kind: 'deferred', status: '4.5.0', unknown: false })
    expect(said('dot', 'HTTP/1.1 400').outcome).toMatchObject({ kind: 'deferred', unknown: true })
  })

  it('R-outcome: the reason tells a person who said what', () => {
    expect(said('rcpt', '550 5.1.1 no such user').outcome).toMatchObject({
      reason: 'mx.example.org refused the recipient: 550 5.1.1 no such user',
      cause: 'refused',
      stage: 'rcpt',
    })
    expect(said('rcpt', '450 4.2.0 greylisted').outcome).toMatchObject({
      reason: 'mx.example.org refused the recipient for now: 450 4.2.0 greylisted',
    })
  })
})

describe('R-outcome: laws', () => {
  const anyReply = fc.record({
    code: fc.integer({ min: 200, max: 599 }),
    text: fc.array(fc.string(), { minLength: 1, maxLength: 3 }),
  })
  const anyStage = fc.constantFrom(...stageSchema.options)
  const happening = (stage: fc.Arbitrary<Stage>): fc.Arbitrary<Happening> =>
    fc.oneof(
      fc.record({
        kind: fc.constant('reply' as const),
        stage,
        host: fc.constant(host),
        reply: fc.option(anyReply, { nil: null }),
        ownMailbox: fc.boolean(),
        acceptedBefore: fc.nat(3),
      }),
      fc.record({ kind: fc.constant('lost' as const), stage, host: fc.constant(host), what: fc.string() }),
    )

  it('R-outcome: nothing that a host says or does before MAIL ever bounces', () => {
    const hostStage = fc.constantFrom<Stage>('route', 'resolve', 'connect', 'greeting', 'ehlo', 'tls', 'auth')
    fc.assert(
      fc.property(happening(hostStage), (given) => {
        expect(judge(given)).toMatchObject({ outcome: { kind: 'deferred' }, concerns: 'host', tooManyRecipients: false })
      }),
      { numRuns: 1000 },
    )
  })

  it('R-outcome: only 5xx replies to MAIL, RCPT, DATA and the dot bounce, and only a 2xx to the dot delivers', () => {
    fc.assert(
      fc.property(happening(anyStage), (given) => {
        const { outcome } = judge(given)
        if (outcome.kind === 'bounced') {
          expect(['mail', 'rcpt', 'data', 'dot']).toContain(outcome.stage)
          expect(outcome.reply?.code).toBeGreaterThanOrEqual(500)
        }
        if (outcome.kind === 'delivered') expect([given.kind, outcome.reply?.code.toString()[0]]).toEqual(['reply', '2'])
        expect(outcome.status[0]).toBe({ delivered: '2', deferred: '4', bounced: '5' }[outcome.kind])
      }),
      { numRuns: 2000 },
    )
  })

  it('R-outcome: a lost connection concerns the host at every stage', () => {
    fc.assert(
      fc.property(anyStage, (stage) => {
        expect(judge({ kind: 'lost', stage, host, what: 'connection lost' })).toMatchObject({
          concerns: 'host',
          outcome: { kind: 'deferred', unknown: stage === 'dot' },
        })
      }),
    )
  })
})

it('R-timeouts: a connection lost after the dot is an unknown outcome, in words', () => {
  expect(judge({ kind: 'lost', stage: 'dot', host, what: 'no reply within 600 s' }).outcome).toMatchObject({
    kind: 'deferred',
    status: '4.4.2',
    unknown: true,
    reason: 'mx.example.org: no reply within 600 s; whether it took the message is not known',
  })
})

it('R-rcpt-split: 452 4.5.3 after an accepted recipient means too many, and is told apart', () => {
  const after = (text: string, acceptedBefore: number) => said('rcpt', text, { acceptedBefore }).tooManyRecipients
  expect(after('452 4.5.3 too many recipients', 1)).toBe(true)
  expect(after('552 5.5.3 too many recipients', 1)).toBe(true)
  expect(after('452 Too many recipients', 50)).toBe(true)
  expect(after('452 4.5.3 too many recipients', 0)).toBe(false)
  expect(after('452 4.2.2 mailbox full', 5)).toBe(false)
  expect(after('550 5.5.3 too many recipients', 5)).toBe(false)
})

it('R-outcome: a message larger than the far end takes is permanent 5.3.4 without sending', () => {
  const { outcome } = judge({ kind: 'too-large', host, sizeBytes: 2000, limitBytes: 1000 })
  expect(outcome).toMatchObject({ kind: 'bounced', status: '5.3.4', cause: 'refused', reply: null })
})

it('R-utf8: no SMTPUTF8 bounces 5.6.7', () => {
  expect(judge({ kind: 'needs-utf8', host }).outcome).toMatchObject({ kind: 'bounced', status: '5.6.7' })
})

it('R-8bit: no 8BITMIME bounces 5.6.3', () => {
  expect(judge({ kind: 'needs-8bit', host }).outcome).toMatchObject({ kind: 'bounced', status: '5.6.3' })
})

it('R-short: content that cannot be read whole is our fault and temporary', () => {
  const { outcome } = judge({ kind: 'unreadable', host, what: '100 bytes are missing' })
  expect(outcome).toMatchObject({ kind: 'deferred', stage: 'content', status: '4.3.0', unknown: false })
})

it.each([
  ['null-mx', 'bounced 5.1.10 message'],
  ['no-domain', 'bounced 5.1.2 message'],
  ['no-host', 'bounced 5.1.2 message'],
  ['own-host', 'bounced 5.4.6 message'],
  ['private', 'bounced 5.4.4 message'],
  ['failure', 'deferred 4.4.3 host'],
] as const)('R-mx: the DNS answer %s is %s', (answer, expected) => {
  expect(short(judge({ kind: 'dns', answer, domain: 'example.org' }))).toBe(expected)
})

it('R-dsn-pass: a host without DSN makes the delivery a relay', () => {
  expect(said('dot', '250 ok', { relayed: true }).outcome).toMatchObject({ kind: 'delivered', relayed: true })
  expect(said('dot', '250 ok').outcome).toMatchObject({ relayed: false })
})

describe('R-causes', () => {
  const cause = (outcome: Outcome): string => (outcome.kind === 'bounced' ? outcome.cause : 'none')

  it('R-causes: 5.1.1 of the own mailbox means the account is gone, of another host a refusal', () => {
    expect(cause(said('rcpt', '550 5.1.1 gone', { ownMailbox: true }).outcome)).toBe('account-gone')
    expect(cause(said('dot', '550 5.1.1 gone', { ownMailbox: true }).outcome)).toBe('account-gone')
    expect(cause(said('rcpt', '550 5.1.1 gone').outcome)).toBe('refused')
    expect(cause(said('rcpt', '554 5.4.6 loop', { ownMailbox: true }).outcome)).toBe('refused')
    expect(cause(judge({ kind: 'account-gone', address: 'anna@sluice.test' }).outcome)).toBe('account-gone')
  })

  it('R-causes: a schedule that has run out means unreachable, and says how the last attempt ended', () => {
    const last = judge({ kind: 'lost', stage: 'connect', host, what: 'connection refused' }).outcome
    expect(last.kind === 'deferred' && expire(last)).toEqual({
      kind: 'bounced',
      status: '4.4.7',
      reason: 'The message was not taken in time. The last attempt ended so: mx.example.org: connection refused',
      reply: null,
      stage: 'connect',
      cause: 'unreachable',
    })
  })
})

it('R-outcome: a missing route and a crash wait for better times', () => {
  expect(short(judge({ kind: 'no-route', domain: 'example.org' }))).toBe('deferred 4.4.4 message')
  expect(judge({ kind: 'crash', afterDot: true }).outcome).toMatchObject({ kind: 'deferred', unknown: true, stage: 'crash' })
  expect(judge({ kind: 'crash', afterDot: false }).outcome).toMatchObject({ unknown: false })
})
