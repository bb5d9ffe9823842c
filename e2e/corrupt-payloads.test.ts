/** Payloads damaged in Redis: set aside, counted and shown, while everything else flows. */
import { describe, expect, it } from 'vitest'
import { idsAt } from './support/accounts.ts'
import { eventually } from './support/gateway.ts'
import { startLoad } from './support/load.ts'
import { allTo, useFarEnd, useSluice, useSpool } from './support/scene.ts'

const QUEUE = 'sluice{00}:far'
const COUNT = 20

const far = useFarEnd()
const sluice = useSluice(() => allTo(far))
const spool = useSpool(sluice)

describe('payloads that are not understood', () => {
  it('are parked, counted and shown; the others are delivered', async () => {
    await sluice.cli('hold', 'far')
    const load = startLoad({ port: sluice.smtpPort, count: COUNT, to: (n) => `m${n}@far.test` })
    await load.done
    const ids = load.messages.map(({ id }) => id ?? '')
    const [garbage = '', cut = '', later = '', hollow = '', short = '', ...whole] = ids
    const data = async (id: string): Promise<string> => (await spool.redis.hget(`${QUEUE}:${id}`, 'data')) ?? ''
    await spool.redis.hset(`${QUEUE}:${garbage}`, 'data', Buffer.from([0xff, 0x00, 0xfe, 0x7b]))
    await spool.redis.hset(`${QUEUE}:${cut}`, 'data', (await data(cut)).slice(0, 40))
    await spool.redis.hset(`${QUEUE}:${later}`, 'data', JSON.stringify({ ...JSON.parse(await data(later)), v: 99 }))
    await spool.redis.del(`${QUEUE}:${hollow}:content`)
    await spool.redis.set(`${QUEUE}:${short}:content`, 'Subject: cut\r\n\r\n')
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
