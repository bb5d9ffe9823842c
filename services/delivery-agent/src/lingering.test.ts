import { nudgeChannel, type SessionKey } from '@sluice/spool'
import { startRedis, until } from '@sluice/testkit'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createLingering, type Lingering } from './lingering.ts'

const silent = { event: () => {}, debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }
const key = (id: string, destination = 'far.test'): SessionKey => ({ lane: 0, destination, id, token: 't', run: 1 })

let server: Awaited<ReturnType<typeof startRedis>>
let redis: Redis
beforeAll(async () => {
  server = await startRedis()
  redis = new Redis(server.url)
})
afterAll(async () => {
  redis.disconnect()
  await server.stop()
})

/** Ready to let sessions linger. */
const start = async (places: number): Promise<{ lingering: Lingering; end: () => void }> => {
  const subscriber = new Redis(server.url)
  const lingering = createLingering({ subscriber, agent: 'a1', lanes: 1, places, log: silent })
  await until('the agent listens', () => lingering.mayLinger(key('0'), 2) !== null || places < 4)
  return { lingering, end: () => subscriber.disconnect() }
}

describe('lingering', () => {
  it('ends when the spool names the session, also when the word comes before it waits', async () => {
    const { lingering, end } = await start(8)
    const waiting = lingering.wait(key('1'), 60_000)
    await redis.publish(nudgeChannel(0, 'a1'), '1')
    expect(await waiting).toBe('resume a1')
    await redis.publish(nudgeChannel(0, 'a1'), '2')
    const other = lingering.wait(key('3'), 60_000)
    await redis.publish(nudgeChannel(0, 'a1'), '3')
    await other
    expect(await lingering.wait(key('2'), 60_000)).toBe('resume a1')
    end()
  })

  it('ends when its time is over', async () => {
    const { lingering, end } = await start(8)
    expect(await lingering.wait(key('1'), 10)).toBe('resume a1')
    end()
  })

  it('gives the place of the one that waits longest away when a quarter of the places is full, or none is left', async () => {
    const { lingering, end } = await start(8)
    const [first, second] = ['1', '2', '3'].map((id) => lingering.wait(key(id), 60_000))
    expect(await first).toBe('close a1')
    for (let i = 0; i < 8; i++) lingering.begin(key(`s${i}`))
    expect(await second).toBe('close a1')
    expect(lingering.mayLinger(key('1'), 2)).toBe(null)
    lingering.close()
    end()
  })

  it('is for destinations with a steady flow: two tasks in a session, or a session not long ago', async () => {
    const { lingering, end } = await start(8)
    expect(lingering.mayLinger(key('1'), 1)).toBe(null)
    expect(lingering.mayLinger(key('1'), 2)).toBe('a1')
    lingering.begin(key('1'))
    lingering.end(key('1'))
    expect(lingering.mayLinger(key('2'), 1)).toBe('a1')
    expect(lingering.mayLinger(key('2', 'other.test'), 1)).toBe(null)
    end()
  })

  it('is not for an agent with few places, nor for one that stops', async () => {
    const few = await start(3)
    expect(few.lingering.mayLinger(key('1'), 2)).toBe(null)
    few.end()
    const { lingering, end } = await start(8)
    const waiting = lingering.wait(key('1'), 60_000)
    lingering.close()
    expect(await waiting).toBe('close a1')
    expect(lingering.mayLinger(key('1'), 2)).toBe(null)
    end()
  })

  it('is over for a session whose turn was under way when the agent was told to stop, also when mail has come for it', async () => {
    const { lingering, end } = await start(8)
    expect(lingering.mayLinger(key('1'), 2)).toBe('a1')
    await redis.publish(nudgeChannel(0, 'a1'), '2')
    const heard = lingering.wait(key('3'), 60_000)
    await redis.publish(nudgeChannel(0, 'a1'), '3')
    await heard
    lingering.close()
    expect(await lingering.wait(key('1'), 60_000)).toBe('close a1')
    expect(await lingering.wait(key('2'), 60_000)).toBe('close a1')
    end()
  })
})
