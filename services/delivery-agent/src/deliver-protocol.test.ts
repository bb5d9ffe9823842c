/** What is said to far ends of different abilities: LMTP, TLS, AUTH, DSN, UTF-8, 8-bit, and what the transcript tells of it. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createCertificate, type FarEnd, type TestCertificate } from '@sluice/testkit'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  type Bench,
  type BenchOptions,
  CONTENT,
  createBench,
  glance,
  makeRoute,
  makeTask,
  pieces,
  useFarEnds,
} from './test-support/deliver.ts'

const farEnd = useFarEnds()
let certificate: TestCertificate
beforeAll(async () => {
  certificate = await createCertificate(['localhost', '127.0.0.1'])
})

const verbs = (end: FarEnd): string[] =>
  end.connections.flatMap(({ commands }) => commands.map((line) => line.split(/[ :]/)[0] ?? ''))

describe('R-lmtp', () => {
  it('R-lmtp: each recipient has its own reply after the dot', async () => {
    const end = await farEnd({ protocol: 'lmtp' })
    const to = ['ok+1', 'reject-data', 'reject', 'full-data', 'ok+2'].map((local) => `${local}@example.test`)
    const report = await (await createBench()).deliver(makeRoute([end], { type: 'lmtp' }), makeTask(to))
    expect(glance(report)).toEqual([
      'delivered 2.0.0',
      'bounced 5.6.0 dot',
      'bounced 5.1.1 rcpt',
      'deferred 4.2.2 dot',
      'delivered 2.0.0',
    ])
    expect(end.messages.flatMap(({ recipients }) => recipients.map(({ address }) => address))).toEqual([
      'ok+1@example.test',
      'ok+2@example.test',
    ])
  })

  it('R-lmtp: replies received before a drop stand, the others are unknown', async () => {
    const end = await farEnd({ protocol: 'lmtp', dropAfterReplies: 2 })
    const to = ['ok+1', 'reject-data', 'ok+3', 'ok+4'].map((local) => `${local}@example.test`)
    const report = await (await createBench()).deliver(makeRoute([end], { type: 'lmtp' }), makeTask(to))
    expect(glance(report)).toEqual([
      'delivered 2.0.0',
      'bounced 5.6.0 dot',
      'deferred 4.4.2 dot unknown',
      'deferred 4.4.2 dot unknown',
    ])
  })

  /** Takes two recipients; `afterDot` says what follows. */
  const deliverRaw = async (afterDot: (socket: Socket) => void, timeouts: BenchOptions['timeouts'] = {}): Promise<string[]> => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.write('220 raw LMTP\r\n')
      socket.on('data', (piece) => {
        const text = piece.toString()
        if (text.startsWith('LHLO')) socket.write('250-raw\r\n250 PIPELINING\r\n')
        else if (text.startsWith('MAIL')) socket.write('250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n')
        else if (text.endsWith('\r\n.\r\n')) afterDot(socket)
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const { deliver } = await createBench({ timeouts })
    const report = await deliver(makeRoute([{ port }], { type: 'lmtp' }), makeTask(['a@b.test', 'c@b.test']))
    server.close()
    return glance(report)
  }

  it('R-lmtp: a reply that came together with a torn one stands', async () => {
    const outcomes = await deliverRaw((socket) => socket.end('250 2.0.0 first\r\n250-second is\r\n250-torn'))
    expect(outcomes).toEqual(['delivered 2.0.0', 'deferred 4.4.2 dot unknown'])
  })

  it('R-timeouts: each LMTP reply after the dot has its time, the last one too', async () => {
    const outcomes = await deliverRaw((socket) => socket.write('250 2.0.0 first\r\n'), { dotMs: 200 })
    expect(outcomes).toEqual(['delivered 2.0.0', 'deferred 4.4.2 dot unknown'])
  })

  it('R-lmtp: an unknown user of the own mailbox is an account that is gone', async () => {
    const end = await farEnd({ protocol: 'lmtp' })
    const report = await (await createBench()).deliver(makeRoute([end], { type: 'local' }), makeTask(['reject@example.test']))
    expect(report.outcomes).toMatchObject([{ kind: 'bounced', cause: 'account-gone' }])
  })
})

describe('R-tls', () => {
  const deliver = async (end: FarEnd, changes: Parameters<typeof makeRoute>[1], bench?: Bench) =>
    (bench ?? (await createBench())).deliver(makeRoute([end], changes), makeTask(['ok@example.test']))

  it('R-tls: opportunistic encrypts without verifying', async () => {
    const end = await farEnd({ tls: 'starttls', certificate })
    const report = await deliver(end, { tls: 'opportunistic' })
    expect(glance(report)).toEqual(['delivered 2.0.0'])
    expect(report.tls).toMatch(/^TLSv1\.3 TLS_/)
    expect(end.messages.map(({ tls }) => tls)).toEqual([true])
  })

  it.each(['garbage', 'drop', 'refused'] as const)(
    'R-tls: opportunistic goes on in plaintext over a new connection after TLS fails (%s)',
    async (tls) => {
      const end = await farEnd({ tls, certificate })
      const report = await deliver(end, { tls: 'opportunistic' })
      expect(glance(report)).toEqual(['delivered 2.0.0'])
      expect(end.connections).toHaveLength(2)
      expect(end.connections[1]?.commands).not.toContain('STARTTLS')
      expect(report.transcript.join('\n')).toMatch(/C: STARTTLS[\s\S]*once more in plaintext[\s\S]*C: MAIL/)
    },
  )

  it.each(['garbage', 'drop', 'refused', 'off'] as const)('R-tls: required never sends in plaintext (%s)', async (tls) => {
    const end = await farEnd({ tls, certificate })
    const report = await deliver(end, { tls: 'required' })
    expect(report.outcomes).toMatchObject([{ kind: 'deferred', stage: 'tls' }])
    expect(report.site.kind).toBe('failed')
    expect(verbs(end)).not.toContain('MAIL')
  })

  it('R-tls: required is content with any certificate, verified is not', async () => {
    const end = await farEnd({ tls: 'starttls', certificate })
    expect(glance(await deliver(end, { tls: 'required' }))).toEqual(['delivered 2.0.0'])
    expect((await deliver(end, { tls: 'verified' })).outcomes).toMatchObject([{ kind: 'deferred', stage: 'tls' }])
    const trusting = await createBench({ ca: certificate.ca })
    expect(glance(await deliver(end, { tls: 'verified' }, trusting))).toEqual(['delivered 2.0.0'])
  })

  it('R-tls: verified demands the name of the host', async () => {
    const other = await createCertificate(['other.test'])
    const end = await farEnd({ tls: 'starttls', certificate: other })
    const report = await deliver(end, { tls: 'verified' }, await createBench({ ca: other.ca }))
    expect(report.outcomes).toMatchObject([{ kind: 'deferred', stage: 'tls' }])
  })

  it('R-tls: implicit is TLS from the first byte, and verified', async () => {
    const end = await farEnd({ tls: 'implicit', certificate })
    expect((await deliver(end, { tls: 'implicit' })).outcomes).toMatchObject([{ kind: 'deferred', stage: 'tls' }])
    expect(glance(await deliver(end, { tls: 'implicit' }, await createBench({ ca: certificate.ca })))).toEqual([
      'delivered 2.0.0',
    ])
  })

  const auth = { user: 'sluice', password: 'secret' }

  it('R-tls: credentials are sent under TLS only', async () => {
    const end = await farEnd({ tls: 'starttls', certificate, auth })
    expect(glance(await deliver(end, { auth }))).toEqual(['delivered 2.0.0'])
    for (const tls of ['off', 'garbage', 'refused'] as const) {
      const bad = await farEnd({ tls, certificate, auth })
      expect((await deliver(bad, { auth })).outcomes).toMatchObject([{ kind: 'deferred', stage: 'tls' }])
      expect(verbs(bad)).not.toContain('AUTH')
      expect(bad.connections).toHaveLength(1)
    }
  })

  it('R-outcome: a refused login concerns the host, also with 535', async () => {
    const end = await farEnd({ tls: 'starttls', certificate, auth })
    const report = await deliver(end, { auth: { user: 'sluice', password: 'wrong' } })
    expect(glance(report)).toEqual(['deferred 4.7.8 auth'])
    expect(report.site.kind).toBe('failed')
  })

  it.each(['PLAIN', 'LOGIN'])('R-transcript: credentials (%s) are redacted, the content is left out', async (mechanisms) => {
    const end = await farEnd({ tls: 'starttls', certificate, auth: { ...auth, mechanisms } })
    const report = await deliver(end, { auth })
    expect(glance(report)).toEqual(['delivered 2.0.0'])
    const said = report.transcript.join('\n')
    expect(said).toMatch(
      mechanisms === 'PLAIN'
        ? /C: AUTH PLAIN \[redacted\]/
        : /C: AUTH LOGIN\nS: 334 .*\nC: \[redacted\]\nS: 334 .*\nC: \[redacted\]/,
    )
    expect(said).toMatch(/# TLS: TLSv1\.3/)
    expect(said).toContain(`# content, ${CONTENT.length} bytes`)
    expect(said).not.toMatch(/Subject|c2x1aWNl|c2VjcmV0|secret/)
  })
})

describe('R-transcript', () => {
  it('R-transcript: greeting and EHLO, then this message and nothing of the one before', async () => {
    const end = await farEnd()
    const conversation = (await createBench()).conversations.open('far', makeRoute([end]))
    const options = { signal: new AbortController().signal, aboutToEnd: () => {} }
    await conversation.deliver(makeTask(['first@example.test']), () => pieces(CONTENT), options)
    const report = await conversation.deliver(makeTask(['second@example.test']), () => pieces(CONTENT), options)
    expect(report.transcript.slice(1)).toEqual([
      'S: 220 far.test ESMTP scripted',
      'C: EHLO mx.sluice.test',
      'S: 250-far.test',
      'S: 250-PIPELINING',
      'S: 250-SIZE 52428800',
      'S: 250-8BITMIME',
      'S: 250-SMTPUTF8',
      'S: 250-ENHANCEDSTATUSCODES',
      'S: 250 DSN',
      `C: MAIL FROM:<sender@example.test> SIZE=${CONTENT.length}`,
      'C: RCPT TO:<second@example.test>',
      'C: DATA',
      'S: 250 2.1.0 ok',
      'S: 250 2.1.5 ok',
      'S: 354 go ahead',
      `# content, ${CONTENT.length} bytes`,
      'C: .',
      expect.stringMatching(/^S: 250 2\.0\.0 taken as/),
    ])
    expect(report.transcript[0]).toMatch(/^# \d{4}-.* connecting to 127\.0\.0\.1 \[127\.0\.0\.1\]:\d+$/)
  })
})

describe('R-dsn-pass', () => {
  const to = [
    { address: 'one@example.test', notify: ['SUCCESS' as const, 'FAILURE' as const], orcpt: 'rfc822;one+tag@old.test' },
    { address: 'two@example.test', notify: ['NEVER' as const] },
    { address: 'three@example.test' },
  ]
  const asked = { ret: 'HDRS' as const, envid: 'id=1' }

  it('R-dsn-pass: NOTIFY and ORCPT go per recipient, RET and ENVID with MAIL', async () => {
    const end = await farEnd()
    const report = await (await createBench()).deliver(makeRoute([end]), makeTask(to, asked))
    expect(report.dsnPassed).toBe(true)
    expect(glance(report)).toEqual(['delivered 2.0.0', 'delivered 2.0.0', 'delivered 2.0.0'])
    expect(end.messages[0]?.parameters).toBe(`SIZE=${CONTENT.length} RET=HDRS ENVID=id+3D1`)
    expect(end.messages[0]?.recipients.map(({ parameters }) => parameters)).toEqual([
      'NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;one+2Btag@old.test',
      'NOTIFY=NEVER',
      '',
    ])
  })

  it('R-dsn-pass: without DSN nothing is passed, and NOTIFY=SUCCESS makes it relayed', async () => {
    const end = await farEnd({ extensions: ['PIPELINING'], hostname: 'mx-DSN.test' })
    const report = await (await createBench()).deliver(makeRoute([end]), makeTask(to, asked))
    expect(report.dsnPassed).toBe(false)
    expect(glance(report)).toEqual(['delivered 2.0.0 relayed', 'delivered 2.0.0', 'delivered 2.0.0'])
    expect(end.messages[0]).toMatchObject({
      parameters: '',
      recipients: [{ parameters: '' }, { parameters: '' }, { parameters: '' }],
    })
  })

  it('R-dsn-pass: an LMTP server without DSN delivers for good', async () => {
    const end = await farEnd({ protocol: 'lmtp', extensions: ['PIPELINING'] })
    const report = await (await createBench()).deliver(makeRoute([end], { type: 'lmtp' }), makeTask(to))
    expect(glance(report)).toEqual(['delivered 2.0.0', 'delivered 2.0.0', 'delivered 2.0.0'])
  })
})

describe('R-utf8', () => {
  it.each([
    ['a UTF-8 header', makeTask(['ok@example.test'], { utf8: true })],
    ['a UTF-8 local part', makeTask(['jürgen@example.test'])],
    ['a UTF-8 sender', makeTask(['ok@example.test'], { from: 'jürgen@example.test' })],
  ])('R-utf8: %s goes to a far end with SMTPUTF8 and bounces 5.6.7 at others', async (_, task) => {
    const able = await farEnd()
    const unable = await farEnd({ extensions: ['PIPELINING', '8BITMIME'] })
    const { deliver } = await createBench()
    expect(glance(await deliver(makeRoute([able]), task))).toEqual(['delivered 2.0.0'])
    expect(able.messages[0]).toMatchObject({ from: task.from, parameters: expect.stringContaining('SMTPUTF8') })
    expect(glance(await deliver(makeRoute([unable]), task))).toEqual(['bounced 5.6.7 mail'])
    expect(verbs(unable)).not.toContain('MAIL')
  })

  it('R-utf8: a domain goes out as A-labels, and needs no SMTPUTF8', async () => {
    const end = await farEnd({ extensions: ['PIPELINING'] })
    const report = await (await createBench()).deliver(makeRoute([end]), makeTask(['ok@bücher.test'], { from: 'a@Bücher.test' }))
    expect(glance(report)).toEqual(['delivered 2.0.0'])
    expect(end.messages[0]).toMatchObject({ from: 'a@xn--bcher-kva.test', recipients: [{ address: 'ok@xn--bcher-kva.test' }] })
  })
})

describe('R-8bit', () => {
  it('R-8bit: 8-bit content is announced to far ends with 8BITMIME and bounces 5.6.3 at others', async () => {
    const able = await farEnd()
    const unable = await farEnd({ extensions: ['PIPELINING', 'SMTPUTF8'] })
    const { deliver } = await createBench()
    const eight = Buffer.from('Subject: x\r\n\r\n\xe9\xff\r\n', 'latin1')
    const task = makeTask(['ok@example.test'], { body: '8bit', sizeBytes: eight.length })
    expect(glance(await deliver(makeRoute([able]), task, () => pieces(eight)))).toEqual(['delivered 2.0.0'])
    expect(able.messages[0]?.parameters).toContain('BODY=8BITMIME')
    expect(able.messages[0]?.content.equals(eight)).toBe(true)
    expect(glance(await deliver(makeRoute([unable]), task, () => pieces(eight)))).toEqual(['bounced 5.6.3 mail'])
    expect(verbs(unable)).not.toContain('MAIL')
  })
})
