import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRedis, type TestRedis } from '@sluice/testkit'
import type { Cluster, Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DurabilityOptions, watchDurability } from './durability.ts'
import { createLogger } from './log.ts'
import { connectRedis } from './redis.ts'

describe('may mail be taken?', () => {
  let server: TestRedis
  let redis: Redis | Cluster
  const lines: string[] = []
  const log = createLogger({ level: 'info', service: 'test', destination: { write: (line) => void lines.push(line) } })
  const watchWith = (more: Partial<DurabilityOptions> = {}) =>
    watchDurability({
      redis,
      laneKeys: ['lane'],
      replicas: 0,
      requireDurable: true,
      fullAt: 0.8,
      diskDirectories: [],
      minFreeBytes: 0,
      intervalMs: 60_000,
      log,
      ...more,
    })
  const look = async (more: Partial<DurabilityOptions> = {}) => {
    const watch = watchWith(more)
    try {
      await watch.check()
      return watch()
    } finally {
      watch.stop()
    }
  }

  beforeAll(async () => {
    server = await startRedis(['--maxmemory', '64mb'])
    redis = connectRedis({ url: server.url, password: null }, { role: 'command', name: 'watch', log })
  })
  afterAll(async () => {
    redis.disconnect()
    await server.stop()
  })

  it('a durable Redis with room is ok', async () => expect(await look()).toEqual({ kind: 'ok' }))

  it('R-full: Redis is full at the mark, while it still takes outcomes', async () => {
    let state = await look()
    for (let i = 0; state.kind === 'ok' && i < 60; i++) {
      await server.client.set(`fill-${i}`, Buffer.alloc(1024 * 1024))
      state = await look()
    }
    expect(state).toMatchObject({ kind: 'full', reason: expect.stringContaining('the mark is 80 %') })
    expect(await server.client.set('outcome', 'recorded')).toBe('OK')
    await server.client.flushall()
    expect(await look()).toEqual({ kind: 'ok' })
  })

  it('R-full: what is taken between two looks counts against the room that the last one found', async () => {
    const used = Number(/used_memory:(\d+)/.exec(await server.client.info('memory'))?.[1])
    const watch = watchWith()
    await watch.check()
    const roomBytes = 64 * 1024 * 1024 * 0.8 - used
    for (let taken = 0; taken < roomBytes / 2; taken += 1024 * 1024) watch.taking(1024 * 1024)
    expect(watch()).toEqual({ kind: 'ok' })
    for (let taken = 0; taken < roomBytes / 2; taken += 1024 * 1024) watch.taking(1024 * 1024)
    expect(watch()).toMatchObject({ kind: 'full', reason: expect.stringContaining('since the last look') })
    expect(await watch.check()).toEqual({ kind: 'ok' })
    watch.stop()
  })

  it('R-full: once full, it takes some room below the mark to be ready again', async () => {
    const used = (): Promise<number> => server.client.info('memory').then((text) => Number(/used_memory:(\d+)/.exec(text)?.[1]))
    const most = 64 * 1024 * 1024
    const markAbove = async (bytes: number): Promise<number> => ((await used()) + bytes) / most
    for (let i = 0; i < 30; i++) await server.client.set(`fill-${i}`, Buffer.alloc(1024 * 1024))
    const watch = watchWith({ fullAt: await markAbove(1024 * 1024) })
    expect(await watch.check()).toEqual({ kind: 'ok' })
    watch.taking(4 * 1024 * 1024)
    expect(await watch.check()).toMatchObject({ kind: 'full' })
    await server.client.flushall()
    await expect.poll(() => watch.check()).toEqual({ kind: 'ok' })
    watch.stop()
  })

  it('R-full: a disk with less than minFree free is full', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-disk-'))
    expect(await look({ diskDirectories: [folder], minFreeBytes: 1 })).toEqual({ kind: 'ok' })
    expect(await look({ diskDirectories: [folder], minFreeBytes: Number.MAX_SAFE_INTEGER })).toMatchObject({ kind: 'full' })
    await rm(folder, { recursive: true })
  })

  it.each([
    ['appendfsync', 'everysec', 'always'],
    ['maxmemory-policy', 'allkeys-lru', 'noeviction'],
    ['appendonly', 'no', 'yes'],
  ])('%s %s is unsafe, unless durability is not asked for', async (name, bad, good) => {
    await server.client.config('SET', name, bad)
    expect(await look()).toMatchObject({ kind: 'unsafe', reason: expect.stringContaining(name) })
    expect(await look({ requireDurable: false })).toEqual({ kind: 'ok' })
    await server.client.config('SET', name, good)
    await expect.poll(() => look()).toEqual({ kind: 'ok' })
  })

  it('where CONFIG is forbidden, INFO has to do, and the log says what could not be checked', async () => {
    await server.client.call('ACL', 'SETUSER', 'managed', 'on', '>pw', '~*', '+@all', '-config')
    const url = server.url.replace('redis://', 'redis://managed:pw@')
    const managed = connectRedis({ url, password: null }, { role: 'command', name: 'managed', log })
    lines.length = 0
    expect(await look({ redis: managed })).toEqual({ kind: 'ok' })
    expect(lines.join('')).toContain('forbids CONFIG')
    managed.disconnect()
  })

  it('a Redis that is gone is away, and ok again once it is back', async () => {
    await server.kill()
    expect(await look()).toMatchObject({ kind: 'away' })
    await server.start()
    await expect.poll(() => look(), { timeout: 10_000 }).toEqual({ kind: 'ok' })
  })
})
