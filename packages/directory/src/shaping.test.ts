import { describe, expect, it } from 'vitest'
import type { ClassFacts } from './classes.ts'
import { createDirectory } from './directory.ts'
import { loadText } from './test-config.ts'

const BASE = `
hostname: mx.sluice.test
listeners:
  - { name: smtp, listen: 127.0.0.1:2525 }
  - { name: submission, listen: 127.0.0.1:2526 }
  - { name: bulk, listen: 127.0.0.1:2527 }
routes:
  - { name: internet, type: mx, match: ["*"], connections: 20, rate: 100/min }
  - { name: backend, type: smtp, match: [inside.test], hosts: ["mail.inside.test:25"], tls: required }
schedules:
  gentle: { delays: [1h] }
`
const SITE = { name: 'mx1.big.test,mx2.big.test', hosts: ['mx1.big.test', 'mx2.big.test'] }

const shape = async (text: string) => createDirectory(await loadText(`${BASE}${text}`))

const facts = (given: Partial<ClassFacts>): ClassFacts => ({
  listener: 'smtp',
  sender: 'anna@sluice.test',
  recipient: 'ben@example.org',
  sizeBytes: 1000,
  user: null,
  header: () => [],
  ...given,
})

describe('policies', () => {
  it('leave to the route what nobody says', async () => {
    const { shapingOf } = await shape('')
    expect(shapingOf('example.org', SITE)).toMatchObject({
      siteConnections: 20,
      connections: 20,
      siteRate: null,
      rate: { count: 100, perMs: 60_000 },
      messagesPerConnection: null,
      schedule: { name: 'classic' },
      tls: 'opportunistic',
      source: null,
      share: 10,
    })
    expect(shapingOf('no-such-route', null)).toBeNull()
  })

  it('of a site bind the whole site, others each destination', async () => {
    const { shapingOf } = await shape(`
policies:
  - { match: { site: "*.big.test" }, connections: 8, rate: 10/s, messagesPerConnection: 100 }
  - { match: { destination: example.org }, connections: 3, rate: 1/s }
  - { match: { site: "*.big.test", class: bulk }, connections: 2, rate: 5/min }
classes:
  - { name: bulk, share: 1, match: { listener: bulk } }
`)
    expect(shapingOf('other.org', SITE)).toMatchObject({
      siteConnections: 8,
      connections: 8,
      siteRate: { count: 10 },
      rate: { count: 100 },
    })
    expect(shapingOf('example.org', SITE)).toMatchObject({
      siteConnections: 8,
      connections: 3,
      siteRate: { count: 10 },
      rate: { count: 1 },
    })
    expect(shapingOf('other.org/bulk', SITE)).toMatchObject({
      siteConnections: 8,
      connections: 2,
      siteRate: { count: 10, perMs: 1000 },
      rate: { count: 5, perMs: 60_000 },
      messagesPerConnection: 100,
      share: 1,
    })
    // The site is not known yet.
    expect(shapingOf('other.org', null)).toMatchObject({ siteConnections: 20, siteRate: null, messagesPerConnection: null })
  })

  it('merge in order: what a later one says wins, none lifts a limit', async () => {
    const { shapingOf, explain } = await shape(`
policies:
  - { connections: 5, tls: verified, schedule: gentle, source: 192.0.2.7, messagesPerConnection: 10 }
  - { match: { route: internet }, rate: none, tls: required, source: none }
  - { match: { class: default }, messagesPerConnection: none }
  - { match: { destination: ["*.example.org", "example.net"] }, connections: 1 }
`)
    expect(shapingOf('example.org', null)).toMatchObject({
      connections: 5,
      siteConnections: 20,
      rate: null,
      tls: 'required',
      source: null,
      messagesPerConnection: null,
      schedule: { name: 'gentle' },
    })
    expect(explain('example.org', null)?.applied).toEqual([0, 1, 2])
    expect(explain('example.org/notices', null)?.applied).toEqual([0, 1])
    expect(explain('a.example.org', null)?.applied).toEqual([0, 1, 2, 3])
    expect(explain('backend', null)?.applied).toEqual([0, 2])
    expect(shapingOf('backend', null)).toMatchObject({ tls: 'verified', source: '192.0.2.7' })
  })

  it('know the hosts of a route that names them as its site', async () => {
    const { shapingOf } = await shape('policies: [{ match: { site: "*.inside.test" }, connections: 2 }]')
    expect(shapingOf('backend', null)).toMatchObject({ siteConnections: 2, connections: 2 })
  })

  it('see a literal and a top-level domain as people write them', async () => {
    const { shapingOf } = await shape(`
policies:
  - { match: { destination: "[IPv6:2001:db8::1]" }, connections: 4 }
  - { match: { destination: ai }, connections: 6 }
`)
    expect(shapingOf('[IPv6_2001_db8__1]/notices', null)).toMatchObject({ connections: 4 })
    expect(shapingOf('ai.', null)).toMatchObject({ connections: 6 })
  })
})

describe('classes', () => {
  const CLASSES = `
defaultShare: 20
classes:
  - { name: login, share: 30, match: { user: "*" } }
  - { name: big, match: { minSize: 1MiB, listener: [smtp, submission] } }
  - { name: lists, share: 2, match: { header: { name: List-Id } } }
  - { name: bulk, share: 1, match: { header: { name: Precedence, pattern: bulk } } }
  - { name: news, match: { sender: "bounce-*@*.news.test", recipient: example.org } }
  - { name: bounces, match: { sender: "<>" } }
`

  it('are chosen by the first that matches', async () => {
    const { classOf, classHeaders } = await shape(CLASSES)
    expect(classHeaders()).toEqual(new Set(['list-id', 'precedence']))
    const header = (field: string, value: string) => ({ header: (name: string) => (name === field ? [value] : []) })
    expect(classOf(facts({}))).toBe('')
    expect(classOf(facts({ user: 'anna@sluice.test', ...header('precedence', 'bulk') }))).toBe('login')
    expect(classOf(facts({ sizeBytes: 2 ** 20 }))).toBe('big')
    expect(classOf(facts({ sizeBytes: 2 ** 20, listener: 'other' }))).toBe('')
    expect(classOf(facts(header('list-id', 'Our list <l.example.org>')))).toBe('lists')
    expect(classOf(facts(header('precedence', 'Bulk')))).toBe('bulk')
    expect(classOf(facts(header('precedence', 'list')))).toBe('')
    expect(classOf(facts({ sender: 'bounce-1@a.news.test' }))).toBe('news')
    expect(classOf(facts({ sender: 'bounce-1@a.news.test', recipient: 'x@other.test' }))).toBe('')
    expect(classOf(facts({ sender: '' }))).toBe('bounces')
  })

  it('have shares; notices and what is gone from the config have the usual ones', async () => {
    const { shapingOf } = await shape(CLASSES)
    const shareOf = (destination: string) => shapingOf(destination, null)?.share
    expect(['example.org', 'example.org/bulk', 'example.org/notices', 'example.org/gone'].map(shareOf)).toEqual([20, 1, 10, 20])
  })

  it('ask for nothing when there are none', async () => {
    const { classHeaders, classOf } = await shape('')
    expect(classHeaders()).toBeNull()
    expect(classOf(facts({}))).toBe('')
  })
})
