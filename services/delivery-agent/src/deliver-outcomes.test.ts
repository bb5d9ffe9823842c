/** What becomes of a message at a far end that refuses, stays silent or goes away, stage by stage. */
import type { FarEndOptions, FarEndStage } from '@sluice/testkit'
import { describe, expect, it } from 'vitest'
import { type Bench, CONTENT, createBench, glance, makeRoute, makeTask, pieces, useFarEnds } from './test-support/deliver.ts'

const farEnd = useFarEnds()

const bench = (): Promise<Bench> => createBench()

const NO_PIPELINING = ['SIZE 1000000', '8BITMIME', 'ENHANCEDSTATUSCODES']

describe('plain delivery', () => {
  it.each([
    ['pipelined', undefined],
    ['step by step', NO_PIPELINING],
  ])('carries envelope and content unharmed, %s', async (_, extensions) => {
    const end = await farEnd(extensions === undefined ? {} : { extensions })
    const report = await (await bench()).deliver(makeRoute([end]), makeTask(['Ok@example.test', '"odd one"@example.test']))
    expect(glance(report)).toEqual(['delivered 2.0.0', 'delivered 2.0.0'])
    expect(report).toMatchObject({ host: '127.0.0.1', stage: 'dot', site: { kind: 'ok' } })
    expect(end.messages).toHaveLength(1)
    expect(end.messages[0]?.content.equals(CONTENT)).toBe(true)
    expect(end.messages[0]?.recipients.map(({ address }) => address)).toEqual(['Ok@example.test', '"odd one"@example.test'])
  })
})

describe('large content', () => {
  it('R-dots: streams piece by piece and arrives byte for byte', async () => {
    const end = await farEnd()
    const lines = Buffer.from(
      Array.from({ length: 100_000 }, (_, i) => `${'.'.repeat(i % 4)}line ${i} of a long message, to be had whole\r\n`).join(''),
    )
    const cut = Array.from({ length: Math.ceil(lines.length / 65_521) }, (_, i) => lines.subarray(i * 65_521, (i + 1) * 65_521))
    const task = makeTask(['ok@example.test'], { sizeBytes: lines.length })
    expect(glance(await (await bench()).deliver(makeRoute([end]), task, () => pieces(...cut)))).toEqual(['delivered 2.0.0'])
    expect(end.messages[0]?.content.equals(lines)).toBe(true)
  })

  it('R-timeouts: a far end that stops reading ends the attempt', async () => {
    const end = await farEnd({ silentAt: 'content' })
    const { deliver } = await createBench({ timeouts: { blockMs: 150 } })
    const task = makeTask(['ok@example.test'], { sizeBytes: 40_000_000 })
    const content = () => pieces(...Array.from({ length: 400 }, () => Buffer.alloc(100_000, 'x')))
    expect(glance(await deliver(makeRoute([end]), task, content))).toEqual(['deferred 4.4.2 content'])
  })

  it('R-null: the null reverse-path goes out as <>', async () => {
    const end = await farEnd()
    await (await bench()).deliver(makeRoute([end]), makeTask(['ok@example.test'], { from: '' }))
    expect(end.connections[0]?.commands[1]).toMatch(/^MAIL FROM:<> /)
  })
})

describe('R-outcome', () => {
  it.each([
    ['tempfail', 'deferred 4.2.1 rcpt'],
    ['reject', 'bounced 5.1.1 rcpt'],
    ['multiline', 'bounced 5.1.1 rcpt'],
    ['full', 'deferred 4.2.2 rcpt'],
    ['full-552', 'deferred 4.2.2 rcpt'],
    ['bad-sequence', 'deferred 4.5.1 rcpt'],
    ['nonsense', 'deferred 4.5.0 rcpt'],
    ['421-at-rcpt', 'deferred 4.3.2 rcpt'],
    ['disconnect-at-rcpt', 'deferred 4.4.2 rcpt'],
    ['refuse-data', 'bounced 5.7.1 data'],
    ['tempfail-at-data', 'deferred 4.3.0 data'],
    ['disconnect-at-data', 'deferred 4.4.2 data'],
    ['reject-data', 'bounced 5.6.0 dot'],
    ['tempfail-data', 'deferred 4.3.0 dot'],
    ['disconnect-after-dot', 'deferred 4.4.2 dot unknown'],
  ])('R-outcome: %s@ is %s, pipelined or not', async (local, outcome) => {
    const end = await farEnd()
    const { deliver } = await bench()
    expect(glance(await deliver(makeRoute([end]), makeTask([`${local}@example.test`])))).toEqual([outcome])
    end.set({ extensions: NO_PIPELINING })
    expect(glance(await deliver(makeRoute([end]), makeTask([`${local}@example.test`])))).toEqual([outcome])
  })

  it.each([
    ['reject-mail', 'bounced 5.7.1 mail', 'ok'],
    ['tempfail-mail', 'deferred 4.7.1 mail', 'ok'],
    ['421-at-mail', 'deferred 4.3.2 mail', 'failed'],
    ['disconnect-at-mail', 'deferred 4.4.2 mail', 'failed'],
  ])('R-outcome: sender %s@ is %s, the site %s', async (local, outcome, site) => {
    const end = await farEnd()
    const report = await (await bench()).deliver(
      makeRoute([end]),
      makeTask(['ok@example.test'], { from: `${local}@example.test` }),
    )
    expect(glance(report)).toEqual([outcome])
    expect(report.site.kind).toBe(site)
  })

  it.each<[string, FarEndOptions, string]>([
    ['554 as greeting', { replies: { greeting: '554 5.3.2 go away' } }, 'deferred 4.3.2 greeting'],
    ['421 as greeting', { replies: { greeting: '421 4.3.2 busy' } }, 'deferred 4.3.2 greeting'],
    ['nonsense as greeting', { replies: { greeting: 'hello' } }, 'deferred 4.4.2 greeting'],
    ['550 to EHLO', { replies: { ehlo: '550 5.7.1 not you' } }, 'deferred 4.7.1 ehlo'],
    ['450 to EHLO', { replies: { ehlo: '450 4.7.1 not now' } }, 'deferred 4.7.1 ehlo'],
    ['530 to MAIL', { replies: { mail: '530 5.7.0 authenticate' } }, 'deferred 4.7.0 mail'],
  ])('R-outcome: %s concerns the host, never the message', async (_, options, outcome) => {
    const end = await farEnd(options)
    const report = await (await bench()).deliver(makeRoute([end]), makeTask(['ok@example.test']))
    expect(glance(report)).toEqual([outcome])
    expect(report.site.kind).toBe('failed')
  })

  it.each<FarEndStage>(['connect', 'greeting', 'ehlo', 'mail', 'rcpt', 'data'])(
    'R-outcome: a drop at %s defers',
    async (stage) => {
      const end = await farEnd({ dropAt: stage })
      const report = await (await bench()).deliver(makeRoute([end]), makeTask(['ok@example.test']))
      expect(report.outcomes).toMatchObject([{ kind: 'deferred', unknown: false }])
      expect(end.messages).toHaveLength(0)
    },
  )

  it('R-outcome: a host that refuses is followed by the next one', async () => {
    const refuses = await farEnd({ replies: { greeting: '554 no' } })
    const busy = await farEnd({ replies: { mail: '421 4.3.2 busy' } })
    const dead = await farEnd()
    await dead.stop()
    const good = await farEnd()
    const report = await (await bench()).deliver(makeRoute([refuses, busy, dead, good]), makeTask(['ok@example.test']))
    expect(glance(report)).toEqual(['delivered 2.0.0'])
    expect(report.site).toEqual({ kind: 'ok' })
    expect(report.transcript.join('\n')).toMatch(/554 no[\s\S]*421 4.3.2 busy[\s\S]*connection refused[\s\S]*250 2.0.0/)
  })

  it('R-outcome: larger than the SIZE of the far end is permanent, and nothing is sent', async () => {
    const end = await farEnd({ extensions: ['PIPELINING', 'SIZE 10'] })
    const report = await (await bench()).deliver(makeRoute([end]), makeTask(['ok@example.test']))
    expect(glance(report)).toEqual(['bounced 5.3.4 mail'])
    expect(end.connections[0]?.commands.some((line) => line.startsWith('MAIL'))).toBe(false)
  })

  it('R-outcome: HELO serves hosts that do not know EHLO, and only those', async () => {
    const end = await farEnd({ replies: { ehlo: '502 5.5.1 what?' } })
    const { deliver } = await bench()
    expect(glance(await deliver(makeRoute([end]), makeTask(['ok@example.test'])))).toEqual(['delivered 2.0.0'])
    expect(end.connections[0]?.commands.slice(0, 3)).toEqual([
      'EHLO mx.sluice.test',
      'HELO mx.sluice.test',
      'MAIL FROM:<sender@example.test>',
    ])
    end.set({ replies: { ehlo: '450 4.3.2 later' } })
    await deliver(makeRoute([end]), makeTask(['ok@example.test']))
    expect(end.connections[1]?.commands).toEqual(['EHLO mx.sluice.test'])
  })
})

describe('R-timeouts', () => {
  it.each<FarEndStage>(['greeting', 'ehlo', 'mail', 'rcpt', 'data', 'dot'])(
    'R-timeouts: silence at %s ends the attempt',
    async (stage) => {
      const end = await farEnd({ silentAt: stage })
      const report = await (await createBench({ timeouts: { [`${stage}Ms`]: 150 } })).deliver(
        makeRoute([end]),
        makeTask(['ok@example.test']),
      )
      expect(report.outcomes).toMatchObject([
        { kind: 'deferred', stage, unknown: stage === 'dot', reason: /within 0.15 s|Greeting/ },
      ])
    },
  )

  it('R-timeouts: a drop after the dot is an unknown outcome, though the mail was taken', async () => {
    const end = await farEnd()
    let ending = 0
    const conversation = (await bench()).conversations.open('far', makeRoute([end]))
    const report = await conversation.deliver(makeTask(['disconnect-after-dot@example.test']), () => pieces(CONTENT), {
      signal: new AbortController().signal,
      aboutToEnd: () => ending++,
    })
    expect(report.outcomes).toMatchObject([{ kind: 'deferred', unknown: true, stage: 'dot' }])
    expect(end.messages).toHaveLength(1)
    expect(ending).toBe(1)
  })
})

describe('R-partial', () => {
  it('R-partial: the others get the mail once, each refused one has its own outcome', async () => {
    const end = await farEnd()
    const to = ['ok+1', 'reject', 'ok+2', 'tempfail', 'ok+3'].map((local) => `${local}@example.test`)
    expect(glance(await (await bench()).deliver(makeRoute([end]), makeTask(to)))).toEqual([
      'delivered 2.0.0',
      'bounced 5.1.1 rcpt',
      'delivered 2.0.0',
      'deferred 4.2.1 rcpt',
      'delivered 2.0.0',
    ])
    expect(end.messages.map(({ recipients }) => recipients.length)).toEqual([3])
  })
})

describe('R-rcpt-split', () => {
  it('R-rcpt-split: at most maxRecipients a transaction, on one connection', async () => {
    const end = await farEnd()
    const to = Array.from({ length: 12 }, (_, i) => `ok+${i}@example.test`)
    const report = await (await bench()).deliver(makeRoute([end], { maxRecipients: 5 }), makeTask(to))
    expect(new Set(glance(report))).toEqual(new Set(['delivered 2.0.0']))
    expect(end.messages.map(({ recipients }) => recipients.length)).toEqual([5, 5, 2])
    expect(end.connections).toHaveLength(1)
  })

  it('R-rcpt-split: after 452 4.5.3 the rest goes in the next transaction at once', async () => {
    const end = await farEnd({ maxRecipients: 4 })
    const to = Array.from({ length: 10 }, (_, i) => `ok+${i}@example.test`)
    const report = await (await bench()).deliver(makeRoute([end]), makeTask(to))
    expect(new Set(glance(report))).toEqual(new Set(['delivered 2.0.0']))
    expect(end.messages.flatMap(({ recipients }) => recipients.map(({ address }) => address))).toEqual(to)
    expect(end.messages.map(({ recipients }) => recipients.length)).toEqual([4, 4, 2])
  })

  it.each([
    ['says 421', { messagesPerConnection: 1 }],
    ['hangs up', { replies: { rset: '421 4.3.2 enough' } }],
  ])(
    'R-rcpt-split: a far end that %s after each transaction is dialled again for the rest, while it takes some',
    async (_, options) => {
      const end = await farEnd(options)
      const to = ['ok+1', 'reject', 'ok+2', 'ok+3', 'ok+4'].map((local) => `${local}@example.test`)
      const report = await (await bench()).deliver(makeRoute([end], { maxRecipients: 2 }), makeTask(to))
      expect(glance(report)).toEqual(to.map((name) => (name.startsWith('ok') ? 'delivered 2.0.0' : 'bounced 5.1.1 rcpt')))
      expect(end.messages).toHaveLength(3)
    },
  )

  it('R-rcpt-split: what is left when a far end takes no more waits, and nobody speaks of a crash', async () => {
    const end = await farEnd({ replies: { mail: '421 4.3.2 closing' } })
    const report = await (await bench()).deliver(makeRoute([end], { maxRecipients: 1 }), makeTask(['ok+1@b.test', 'ok+2@b.test']))
    expect(glance(report)).toEqual(['deferred 4.3.2 mail', 'deferred 4.4.2 mail'])
    expect(report.stage).toBe('mail')
  })

  it('R-rcpt-split: 452 4.5.3 for the first recipient already is a deferral', async () => {
    const end = await farEnd()
    expect(glance(await (await bench()).deliver(makeRoute([end]), makeTask(['toomany@example.test'])))).toEqual([
      'deferred 4.5.3 rcpt',
    ])
  })
})
