import { setTimeout as sleep } from 'node:timers/promises'
import { createLogger } from '@sluice/runtime'
import type { Grant } from '@sluice/spool'
import { describe, expect, it, vi } from 'vitest'
import { createWaking } from './waking.ts'

const GRANT: Grant = {
  site: 's',
  sessions: 1,
  siteSessions: 1,
  intervalUs: 0,
  maxAgeMs: 1,
  perSession: 1,
  siteIntervalUs: 0,
  class: '',
  share: 10,
  exempt: false,
  until: 0,
}

const policy = {}

/** Wakes against scripted looks, until the last is used up. */
const runAgainst = async (looks: (string[] | Error)[], grantOf: (destination: string) => Promise<Grant>, ms = 400) => {
  const granted: string[] = []
  const abort = new AbortController()
  let count = 0
  const waking = createWaking({
    scheduling: {
      wake: () => {
        count++
        const next = looks.shift() ?? []
        return next instanceof Error ? Promise.reject(next) : Promise.resolve({ looked: next.length, ungranted: next })
      },
      grant: (_lane, destination) => {
        granted.push(destination)
        return Promise.resolve()
      },
      cap: () => Promise.resolve(),
    },
    lanes: 1,
    capUs: () => 0,
    policy: () => policy,
    now: Date.now,
    grantOf,
    log: createLogger({ level: 'error', service: 'test' }),
    looked: () => {},
    signal: abort.signal,
  })
  const running = waking()
  await sleep(ms)
  abort.abort()
  await running
  return { granted, count }
}

describe('waking', () => {
  it('a destination whose hosts cannot be found soon keeps no other waiting, and is asked for once', async () => {
    let asked = 0
    const grantOf = (destination: string): Promise<Grant> => {
      if (destination !== 'slow.test') return Promise.resolve(GRANT)
      asked++
      return new Promise(() => {})
    }
    const { granted } = await runAgainst([['slow.test', 'one.test'], ['slow.test'], ['slow.test', 'two.test']], grantOf)
    expect(granted).toEqual(['one.test', 'two.test'])
    expect(asked).toBe(1)
  })

  it('goes on when a grant fails and when Redis does not answer', async () => {
    const grantOf = (destination: string): Promise<Grant> =>
      destination === 'bad.test' ? Promise.reject(new Error('no DNS')) : Promise.resolve(GRANT)
    const { granted } = await runAgainst([['bad.test', 'one.test'], new Error('away'), ['two.test']], grantOf, 700)
    expect(granted).toEqual(['one.test', 'two.test'])
  })

  it('makes the grants in force anew, and the cap, when the policy has changed', async () => {
    let wanted = { connections: 1 }
    const granted: [string, number][] = []
    const caps: number[] = []
    const looks = [['one.test', 'two.test']]
    const abort = new AbortController()
    const waking = createWaking({
      scheduling: {
        wake: () => Promise.resolve({ looked: 1, ungranted: looks.shift() ?? [] }),
        grant: (_lane, destination, grant) => {
          granted.push([destination, grant.sessions])
          return Promise.resolve()
        },
        cap: (_lane, us) => {
          caps.push(us)
          return Promise.resolve()
        },
      },
      lanes: 1,
      capUs: () => wanted.connections * 100,
      policy: () => wanted,
      now: () => 1000,
      grantOf: (destination) =>
        Promise.resolve({ ...GRANT, sessions: wanted.connections, until: destination === 'two.test' ? 999 : 2000 }),
      log: createLogger({ level: 'error', service: 'test' }),
      looked: () => {},
      signal: abort.signal,
    })
    const running = waking()
    await vi.waitFor(() => expect(granted).toHaveLength(2))
    wanted = { connections: 7 }
    await vi.waitFor(() => expect(granted).toHaveLength(3), { timeout: 5000 })
    abort.abort()
    await running
    expect(granted).toEqual([
      ['one.test', 1],
      ['two.test', 1],
      ['one.test', 7],
    ])
    expect(caps).toEqual([100, 700])
  })

  it('looks at once again only while there is much to do', async () => {
    const many = Array.from({ length: 100 }, (_, i) => `d${i}.test`)
    const { granted, count } = await runAgainst([many, many, []], () => Promise.resolve(GRANT), 300)
    expect(granted).toHaveLength(200)
    expect(count).toBeLessThanOrEqual(5)
  })
})
