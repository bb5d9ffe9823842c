import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { startDns, type TestDns } from '@sluice/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createResolver, type MxAnswer, type ResolverOptions } from './index.ts'

let dns: TestDns
const PUBLIC = 'A 192.0.2.7'

beforeAll(async () => {
  dns = await startDns(
    {
      'example.test': ['MX 20 backup.example.test.', 'MX 10 mx1.example.test.', 'MX 10 mx2.example.test.'],
      'mx1.example.test': ['A 192.0.2.1', 'AAAA 2001:db8::1'],
      'mx2.example.test': ['A 192.0.2.2', 'A 192.0.2.3'],
      'backup.example.test': ['A 192.0.2.9'],
      'sister.test': ['MX 5 MX2.example.test.', 'MX 5 mx1.example.test.'],
      'no-mx.test': ['A 192.0.2.4', 'AAAA 2001:db8::4'],
      'nothing.test': ['TXT "no mail here"'],
      'null.test': ['MX 0 .'],
      'loop.test': ['MX 10 us.sluice.test.', 'MX 20 behind.test.'],
      'behind.test': [PUBLIC],
      'backup-for.test': ['MX 10 mx1.example.test.', 'MX 20 us.sluice.test.', 'MX 20 behind.test.', 'MX 30 behind.test.'],
      'us.sluice.test': [PUBLIC],
      'private.test': ['MX 10 inside.test.', 'MX 20 local.test.'],
      'inside.test': ['A 10.1.2.3', 'AAAA fd00::1'],
      'local.test': ['A 127.0.0.1', 'AAAA ::ffff:127.0.0.1'],
      'half.test': ['MX 10 inside.test.', 'MX 20 mx1.example.test.'],
      'dangling.test': ['MX 10 gone.example.test.'],
      'dangling-broken.test': ['MX 10 mx.broken.test.'],
    },
    ['broken.test'],
  )
})
afterAll(() => dns.stop())

const resolver = (options: Partial<ResolverOptions> = {}) =>
  createResolver({ servers: [dns.server], timeoutMs: 2000, ownNames: ['US.sluice.test'], ...options })

const exchanges = (answer: MxAnswer): string[] =>
  answer.kind === 'hosts' ? answer.hosts.map((host) => host.exchange) : [answer.kind]

describe('R-mx', () => {
  it('R-mx: hosts come in order of preference, with all their IPv6 and IPv4 addresses', async () => {
    const answer = await resolver({ random: () => 0.999 }).resolveMx('example.test')
    expect(exchanges(answer).at(-1)).toBe('backup.example.test')
    const first = answer.kind === 'hosts' ? answer.hosts.find((host) => host.exchange === 'mx1.example.test') : undefined
    expect(first?.addresses).toEqual(['2001:db8::1', '192.0.2.1'])
  })

  it('R-mx: hosts of equal preference are shuffled at each call', async () => {
    let chance = 0
    const one = resolver({ random: () => chance })
    const first = exchanges(await one.resolveMx('example.test'))
    chance = 0.999
    const second = exchanges(await one.resolveMx('example.test'))
    expect(second).toEqual([first[1], first[0], first[2]])
  })

  it('R-mx: without MX the domain itself is the host, by AAAA and A', async () => {
    expect(await resolver().resolveMx('no-mx.test')).toEqual({
      kind: 'hosts',
      hosts: [{ exchange: 'no-mx.test', preference: 0, addresses: ['2001:db8::4', '192.0.2.4'] }],
    })
  })

  it.each([
    ['null.test', 'null-mx'],
    ['missing.test', 'no-domain'],
    ['nothing.test', 'no-host'],
    ['dangling.test', 'no-host'],
    ['broken.test', 'temporary'],
    ['dangling-broken.test', 'temporary'],
    ['loop.test', 'loop'],
    ['us.sluice.test', 'loop'],
    ['private.test', 'private'],
    ['[127.0.0.1]', 'private'],
    ['[IPv6:::1]', 'private'],
  ])('R-mx: %s is answered %s', async (domain, kind) => {
    expect((await resolver().resolveMx(domain)).kind).toBe(kind)
  })

  it('R-mx: a server that never answers makes the answer temporary', async () => {
    const mute = createSocket('udp4').bind(0, '127.0.0.1')
    await once(mute, 'listening')
    const slow = resolver({ servers: [{ host: '127.0.0.1', port: mute.address().port }], timeoutMs: 100 })
    expect(await slow.resolveMx('example.test')).toEqual({ kind: 'temporary', reason: 'ETIMEOUT' })
    mute.close()
  })

  it('R-mx: the own host and what is not better is dropped', async () => {
    expect(exchanges(await resolver().resolveMx('backup-for.test'))).toEqual(['mx1.example.test'])
  })

  it('R-mx: hosts with private addresses only are passed over, and taken when allowed', async () => {
    expect(exchanges(await resolver().resolveMx('half.test'))).toEqual(['mx1.example.test'])
    expect(exchanges(await resolver({ allowPrivate: true }).resolveMx('half.test'))).toEqual(['inside.test', 'mx1.example.test'])
  })

  it('R-mx: an address literal is its own host', async () => {
    expect(await resolver().resolveMx('[IPv6:2001:db8::5]')).toEqual({
      kind: 'hosts',
      hosts: [{ exchange: '2001:db8::5', preference: 0, addresses: ['2001:db8::5'] }],
    })
  })
})

describe('siteOf', () => {
  it('gives domains with the same best exchanges the same name', async () => {
    const one = resolver()
    const hosts = ['mx1.example.test', 'mx2.example.test']
    expect(await one.siteOf('example.test')).toEqual({ name: 'mx1.example.test,mx2.example.test', hosts })
    expect(await one.siteOf('sister.test')).toEqual({ name: 'mx1.example.test,mx2.example.test', hosts })
  })

  it('is the domain itself without hosts', async () => {
    expect(await resolver().siteOf('missing.test')).toEqual({ name: 'missing.test', hosts: [] })
  })
})

describe('answers are kept', () => {
  it('for the time to live, failures not at all', async () => {
    let now = 0
    const records = { 'kept.test': [PUBLIC] }
    const short = await startDns(records)
    const one = resolver({ servers: [short.server], timeoutMs: 100, now: () => now })
    const before = await one.resolveMx('kept.test')
    await short.stop()
    now = 59_000
    expect(await one.resolveMx('kept.test')).toEqual(before)
    now = 60_001
    expect((await one.resolveMx('kept.test')).kind).toBe('temporary')
  })
})

describe('resolveHost', () => {
  it('takes addresses as they are, asks the given servers, then the system', async () => {
    const one = resolver()
    expect(await one.resolveHost('192.0.2.1')).toEqual({ kind: 'addresses', addresses: ['192.0.2.1'] })
    expect(await one.resolveHost('mx2.example.test')).toMatchObject({
      addresses: expect.arrayContaining(['192.0.2.2', '192.0.2.3']),
    })
    expect(await one.resolveHost('localhost')).toMatchObject({ addresses: expect.arrayContaining(['127.0.0.1']) })
  })
})
