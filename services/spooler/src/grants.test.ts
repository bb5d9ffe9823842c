import { createDirectory } from '@sluice/directory'
import { describe, expect, it } from 'vitest'
import { createGrants, intervalUs } from './grants.ts'

const schedule = { name: 'test', delaysMs: [1000, 2000], jitter: 0 }
const route = (name: string, type: 'smtp' | 'mx' | 'local', match: string[], rate: { count: number; perMs: number } | null) => ({
  name,
  match,
  type,
  hosts: type === 'mx' ? [] : [{ host: '10.0.0.5', port: 25, weight: 1 }],
  select: 'order' as const,
  tls: 'off' as const,
  auth: null,
  connections: 8,
  rate,
  maxRecipients: 50,
  schedule,
})

const grantsWith = (lanes: number) => {
  const directory = createDirectory({
    domains: [],
    accounts: [],
    routes: [
      route('smart', 'smtp', [], { count: 10, perMs: 1000 }),
      route('local', 'local', [], null),
      route('net', 'mx', ['*'], null),
    ],
    trustedNetworks: [],
    policies: [
      {
        match: { site: ['*.mx.test'], destination: null, class: null, route: null },
        connections: 6,
        rate: { count: 100, perMs: 1000 },
        messagesPerConnection: null,
        schedule: null,
        tls: null,
        source: null,
      },
    ],
  })
  const resolver = {
    siteOf: (domain: string) => Promise.resolve({ name: `in.${domain}.mx.test`, hosts: [`in.${domain}.mx.test`] }),
  }
  return createGrants({ config: { schedule, redis: { lanes } as never }, directory, resolver, now: () => 0 })
}

describe('grants', () => {
  it('bind the whole site of an MX route by policy, each lane to its part', async () => {
    const grant = await grantsWith(3)('far.test')
    expect(grant).toMatchObject({
      site: 'in.far.test.mx.test',
      siteSessions: 2,
      siteIntervalUs: 30_000,
      intervalUs: 0,
      maxAgeMs: 3000,
    })
  })

  it('have the rate of a route with hosts of its own hold for all its classes together', async () => {
    const grantOf = grantsWith(3)
    for (const name of ['smart', 'smart/notices']) {
      expect(await grantOf(name)).toMatchObject({ site: 'smart', siteSessions: 8, siteIntervalUs: 100_000, intervalUs: 0 })
    }
  })

  it('exempt our own mailbox and notices from the cap, and nothing else', async () => {
    const grantOf = grantsWith(1)
    const exempt = async (name: string): Promise<boolean> => (await grantOf(name)).exempt
    expect(await Promise.all(['local', 'far.test/notices', 'far.test', 'smart', 'far.test/bulk'].map(exempt))).toEqual([
      true,
      true,
      false,
      false,
      false,
    ])
  })

  it('leave our own mailbox alone for seconds only, others for as long as dead sites are', async () => {
    const grantOf = grantsWith(1)
    expect((await grantOf('local')).longestPauseMs).toBe(2000)
    expect((await grantOf('far.test')).longestPauseMs).toBeUndefined()
  })

  it('let a destination without a route have one session, which tells its mail so', async () => {
    expect(await grantsWith(1)('gone')).toMatchObject({ site: 'gone', sessions: 1, siteSessions: 1 })
  })

  it('count µs from one message to the next', () => {
    expect(intervalUs({ count: 3, perMs: 1000 })).toBe(333_333)
    expect(intervalUs(null)).toBe(0)
  })
})
