/** Which host is asked, and over which connection: routes, MX, reuse, the pool, interruption, and a server nobody here wrote. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { createResolver, type MxAnswer } from '@sluice/mx'
import { type FarEnd, freePort } from '@sluice/testkit'
import { afterEach, describe, expect, it } from 'vitest'
import { byWeight, findCandidates } from './candidates.ts'
import { CONTENT, createBench, glance, makeRoute, makeTask, PATIENT, pieces, useFarEnds } from './test-support/deliver.ts'

const farEnd = useFarEnds()
const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGTERM')
})
const plain = () => ({ signal: new AbortController().signal, aboutToEnd: () => {} })
const task = makeTask(['ok@example.test'])

describe('R-route', () => {
  it('R-route: hosts in order: the first that answers', async () => {
    const [first, second] = [await farEnd(), await farEnd()]
    const { deliver } = await createBench()
    for (let i = 0; i < 3; i++) await deliver(makeRoute([first, second]), task)
    expect([first.messages.length, second.messages.length]).toEqual([3, 0])
    await first.stop()
    await deliver(makeRoute([first, second]), task)
    expect(second.messages).toHaveLength(1)
  })

  it('R-route: hosts by weight: each has its share of the first places', () => {
    const hosts = [
      { name: 'a', weight: 3 },
      { name: 'b', weight: 1 },
    ]
    const firsts = Array.from({ length: 100 }, (_, i) => byWeight(hosts, () => i / 100)[0]?.name)
    expect(firsts.filter((name) => name === 'a')).toHaveLength(75)
    expect(byWeight(hosts, () => 0.9).map(({ name }) => name)).toEqual(['b', 'a'])
  })

  it('R-route: hosts by weight: a dead one is passed over', async () => {
    const [dead, good] = [await farEnd(), await farEnd()]
    await dead.stop()
    const { deliver } = await createBench({ random: () => 0 })
    expect(glance(await deliver(makeRoute([dead, good], { select: 'weight' }), task))).toEqual(['delivered 2.0.0'])
  })

  it('R-route: no host that answers: deferred, and the site is told', async () => {
    const port = await freePort()
    const report = await (await createBench()).deliver(makeRoute([{ port }]), task)
    expect(glance(report)).toEqual(['deferred 4.4.1 connect'])
    expect(report.site).toEqual({ kind: 'failed', reason: `127.0.0.1:${port}: connection refused` })
  })
})

describe('R-mx', () => {
  const answering = (answer: MxAnswer) => ({ ...createResolver({ servers: [], timeoutMs: 1 }), resolveMx: async () => answer })
  it.each<[MxAnswer['kind'], MxAnswer, string, string]>([
    ['null-mx', { kind: 'null-mx' }, 'bounced 5.1.10 resolve', 'none'],
    ['no-domain', { kind: 'no-domain' }, 'bounced 5.1.2 resolve', 'none'],
    ['loop', { kind: 'loop' }, 'bounced 5.4.6 resolve', 'none'],
    ['private', { kind: 'private' }, 'bounced 5.4.4 resolve', 'none'],
    ['temporary', { kind: 'temporary', reason: 'ESERVFAIL' }, 'deferred 4.4.3 resolve', 'failed'],
  ])('R-mx: %s decides without a connection', async (_, answer, outcome, site) => {
    const { deliver } = await createBench({ resolver: answering(answer) })
    const report = await deliver(makeRoute([], { type: 'mx' }), task)
    expect(glance(report)).toEqual([outcome])
    expect(report.site.kind).toBe(site)
    expect(report.transcript).toHaveLength(1)
  })

  it('R-mx: all addresses of all hosts are tried, best first, on port 25', async () => {
    const hosts = [
      { exchange: 'mx1.test', preference: 10, addresses: ['2001:db8::1', '192.0.2.1'] },
      { exchange: 'mx2.test', preference: 20, addresses: ['192.0.2.2'] },
    ]
    const parts = { resolver: answering({ kind: 'hosts', hosts }), random: Math.random }
    const found = await findCandidates('example.test', makeRoute([], { type: 'mx' }), parts)
    expect(found).toMatchObject({
      hosts: [
        { name: 'mx1.test', address: '2001:db8::1', port: 25 },
        { name: 'mx1.test', address: '192.0.2.1', port: 25 },
        { name: 'mx2.test', address: '192.0.2.2', port: 25 },
      ],
    })
  })
})

describe('connections', () => {
  it('are used for message after message, and left to the next conversation', async () => {
    const end = await farEnd()
    const { conversations, deliver } = await createBench({ idleConnectionMs: 5000 })
    const route = makeRoute([end])
    const conversation = conversations.open('far', route)
    for (let i = 0; i < 5; i++) await conversation.deliver(task, () => pieces(CONTENT), plain())
    conversation.release()
    await deliver(route, task)
    expect(end.messages).toHaveLength(6)
    expect(end.connections).toHaveLength(1)
    await conversations.closeIdle()
    await expect.poll(() => end.connections[0]?.closedAt, PATIENT).not.toBeNull()
    expect(end.connections[0]?.commands.at(-1)).toBe('QUIT')
  })

  it('are closed after the idle time', async () => {
    const end = await farEnd()
    const { deliver } = await createBench({ idleConnectionMs: 50 })
    await deliver(makeRoute([end]), task)
    await expect.poll(() => end.connections[0]?.closedAt, PATIENT).not.toBeNull()
  })

  it('are not shared between routes that log in or encrypt differently', async () => {
    const end = await farEnd()
    const { conversations, deliver } = await createBench({ idleConnectionMs: 5000 })
    await deliver(makeRoute([end], { tls: 'opportunistic' }), task)
    await deliver(makeRoute([end], { tls: 'off' }), task)
    expect(end.connections).toHaveLength(2)
    await conversations.closeIdle()
  })

  it.each<[string, (end: FarEnd) => void]>([
    ['dropped while idle', (end) => end.dropAll()],
    ['answered 421 at MAIL', (end) => end.set({ messagesPerConnection: 1 })],
    ['dropped at MAIL', (end) => end.set({ dropAt: 'mail' })],
  ])('are replaced at once when %s, and this is no attempt', async (_, harm) => {
    const end = await farEnd()
    const conversation = (await createBench()).conversations.open('far', makeRoute([end]))
    await conversation.deliver(task, () => pieces(CONTENT), plain())
    harm(end)
    const delivery = conversation.deliver(task, () => pieces(CONTENT), plain())
    await expect.poll(() => end.connections.length, PATIENT).toBe(2)
    if (_ !== 'dropped at MAIL') expect(glance(await delivery)).toEqual(['delivered 2.0.0'])
    else expect((await delivery).outcomes).toMatchObject([{ kind: 'deferred', stage: 'mail' }])
  })

  it('end at once when the attempt is interrupted: nothing is sent twice, nothing is lost', async () => {
    const end = await farEnd()
    const conversation = (await createBench()).conversations.open('far', makeRoute([end]))
    for (const [local, unknown] of [
      ['never-answer-rcpt', false],
      ['never-answer', true],
    ] as const) {
      const stop = new AbortController()
      const delivery = conversation.deliver(makeTask([`${local}@example.test`]), () => pieces(CONTENT), {
        signal: stop.signal,
        aboutToEnd: () => {},
      })
      await expect.poll(() => end.connections.at(-1)?.commands.some((line) => line.startsWith('RCPT')), PATIENT).toBe(true)
      if (unknown) await end.received(1)
      stop.abort()
      expect((await delivery).outcomes).toMatchObject([{ kind: 'deferred', unknown }])
    }
  })
})

describe('told to leave', () => {
  const begin = async (to: string[], options: Parameters<typeof farEnd>[0] = {}) => {
    const end = await farEnd(options)
    const [signal, leave] = [new AbortController(), new AbortController()]
    const conversation = (await createBench()).conversations.open('far', makeRoute([end], { maxRecipients: 1 }))
    const both = { signal: signal.signal, leave: leave.signal, aboutToEnd: () => {} }
    return { end, signal, leave, delivery: conversation.deliver(makeTask(to), () => pieces(CONTENT), both) }
  }
  const INTERRUPTED = 'deferred 4.3.0 crash'

  it.each(['greeting', 'ehlo', 'mail', 'rcpt', 'data'] as const)(
    'R-shutdown: a conversation whose far end is silent at %s ends at once: nothing was transmitted',
    async (silentAt) => {
      const { end, leave, delivery } = await begin(['ok@example.test'], { silentAt, extensions: [] })
      const commands = ['greeting', 'ehlo', 'mail', 'rcpt', 'data'].indexOf(silentAt)
      await expect.poll(() => end.connections[0]?.commands.length, PATIENT).toBe(commands)
      leave.abort()
      expect(glance(await delivery)).toEqual([INTERRUPTED])
      expect(end.messages).toHaveLength(0)
    },
  )

  it('R-shutdown: an envelope in one piece ends at once, too', async () => {
    const { end, leave, delivery } = await begin(['never-answer-rcpt@example.test'])
    await expect.poll(() => end.connections[0]?.commands.some((line) => line.startsWith('RCPT')), PATIENT).toBe(true)
    leave.abort()
    expect(glance(await delivery)).toEqual([INTERRUPTED])
  })

  it('R-shutdown: one that is slow at the dot is waited for; then no other transaction begins', async () => {
    const { end, leave, delivery } = await begin(['slow@example.test', 'next@example.test'], { slowMs: 500 })
    await end.received(1)
    leave.abort()
    expect(glance(await delivery)).toEqual(['delivered 2.0.0', INTERRUPTED])
    expect(end.messages).toHaveLength(1)
  })

  it('R-shutdown: one that is silent at the dot is waited for until the end: then its outcome is unknown', async () => {
    const { end, signal, leave, delivery } = await begin(['never-answer@example.test'])
    await end.received(1)
    leave.abort()
    const first = await Promise.race([delivery, new Promise((resolve) => setImmediate(resolve, 'waits'))])
    expect(first).toBe('waits')
    signal.abort()
    expect((await delivery).outcomes).toMatchObject([{ kind: 'deferred', unknown: true }])
  })
})

describe('a server nobody here wrote', () => {
  it('smtp-sink takes 300 messages over one connection', async () => {
    const port = await freePort()
    children.push(spawn('/usr/sbin/smtp-sink', ['-u', 'nobody', `127.0.0.1:${port}`, '100'], { stdio: 'ignore' }))
    await expect
      .poll(async () => {
        const socket = connect(port, '127.0.0.1').on('error', () => {})
        const up = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'close').then(() => false)])
        socket.destroy()
        return up
      }, PATIENT)
      .toBe(true)
    const conversation = (await createBench()).conversations.open('far', makeRoute([{ port }]))
    for (let i = 0; i < 300; i++) {
      const report = await conversation.deliver(task, () => pieces(CONTENT), plain())
      expect(report.outcomes[0]?.kind).toBe('delivered')
    }
    conversation.release()
  })
})
