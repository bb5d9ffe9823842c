/** Payloads damaged in Redis: set aside, counted and shown, while everything else flows. */
import { type FarEnd, startFarEnd } from '@sluice/testkit'
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { idsAt } from './support/accounts.ts'
import { eventually, type Sluice, startSluice } from './support/gateway.ts'
import { startLoad } from './support/load.ts'
import { ownRedis } from './support/processes.ts'

const QUEUE = 'sluice{00}:far'
const COUNT = 20

let far: FarEnd
let sluice: Sluice
let redis: Redis
beforeAll(async () => {
  far = await startFarEnd()
  sluice = await startSluice({
    config: `
hostname: mx.sluice.test
trustedNetworks: [127.0.0.1/32]
routes: [{ name: far, match: ["*"], type: smtp, hosts: ["127.0.0.1:${far.port}"] }]
`,
  })
  redis = await ownRedis(sluice.folder)
})
afterAll(async () => {
  redis?.disconnect()
  await sluice?.stop()
  await far?.stop()
})

describe('payloads that are not understood', () => {
  it('are parked, counted and shown; the others are delivered', async () => {
    await sluice.cli('hold', 'far')
    const load = startLoad({ port: sluice.smtpPort, count: COUNT, to: (n) => `m${n}@far.test` })
    await load.done
    const ids = load.messages.map(({ id }) => id ?? '')
    const [garbage = '', cut = '', later = '', hollow = '', short = '', ...whole] = ids
    const data = async (id: string): Promise<string> => (await redis.hget(`${QUEUE}:${id}`, 'data')) ?? ''
    await redis.hset(`${QUEUE}:${garbage}`, 'data', Buffer.from([0xff, 0x00, 0xfe, 0x7b]))
    await redis.hset(`${QUEUE}:${cut}`, 'data', (await data(cut)).slice(0, 40))
    await redis.hset(`${QUEUE}:${later}`, 'data', JSON.stringify({ ...JSON.parse(await data(later)), v: 99 }))
    await redis.del(`${QUEUE}:${hollow}:content`)
    await redis.set(`${QUEUE}:${short}:content`, 'Subject: cut\r\n\r\n')
    const damaged = [garbage, cut, later, hollow, short]

    await sluice.cli('release', 'far')
    await eventually('all others', () => far.messages.length >= whole.length, 30_000)
    await eventually('the damaged ones set aside', () => sluice.events('parked').length >= damaged.length, 30_000)
    expect(idsAt(far).sort()).toEqual([...whole].sort())
    expect(
      sluice
        .events('parked')
        .map(({ id }) => id)
        .sort(),
    ).toEqual([...damaged].sort())
    expect(await sluice.metrics('delivery-agent')).toMatch(
      new RegExp(`^sluice_events_total\\{[^}]*event="parked"[^}]*\\} ${damaged.length}$`, 'm'),
    )
    const { destinations } = JSON.parse((await sluice.cli('queue', '--json')).stdout)
    expect(destinations).toMatchObject([{ destination: 'far', waiting: 0, active: 0, delayed: 0, parked: damaged.length }])
    for (const id of damaged) expect((await sluice.cli('trace', id)).stdout).toMatch(/parked: set aside for you\n[\s\S]*\w+ \w+/)
  })
})
