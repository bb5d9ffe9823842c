import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCertificate, freePort, startRedis, type TestRedis } from '@sluice/testkit'
import type { Cluster, Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createLogger } from './log.ts'
import { connectRedis, type RedisRole, redisFate } from './redis.ts'

const port = (server: Server): number => {
  const address = server.address()
  return address !== null && typeof address === 'object' ? address.port : 0
}

/** Between client and Redis; while `cut` is set, commands get through but the connection breaks before their reply. */
const startProxy = async (redisPort: number): Promise<{ url: string; state: { cut: boolean }; close: () => void }> => {
  const state = { cut: false }
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const redis = connect(redisPort, '127.0.0.1')
    sockets.add(client).add(redis)
    client.pipe(redis)
    redis.on('data', (data) => (state.cut ? client.destroy() : client.write(data)))
    for (const [one, other] of [
      [client, redis],
      [redis, client],
    ] as const)
      one.on('error', () => {}).on('close', () => other.destroy())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const close = (): void => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  return { url: `redis://127.0.0.1:${port(server)}`, state, close }
}

describe('connections to Redis', () => {
  let server: TestRedis
  const open: { disconnect: () => void }[] = []
  const lines: string[] = []
  const log = createLogger({ level: 'info', service: 'test', destination: { write: (line) => void lines.push(line) } })
  const connectAs = (role: RedisRole, url = server.url): Redis | Cluster => {
    const redis = connectRedis({ url, password: null }, { role, name: role, log })
    open.push(redis)
    return redis
  }
  const rejection = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => expect.unreachable('it resolved'),
      (e: unknown) => e,
    )

  beforeAll(async () => {
    server = await startRedis()
  })
  afterEach(() => {
    for (const redis of open.splice(0)) redis.disconnect()
  })
  afterAll(() => server.stop())

  it('R-451: a write whose reply is lost rejects as of unknown fate and is never sent again', async () => {
    const proxy = await startProxy(server.port)
    const redis = connectAs('write', proxy.url)
    await once(redis, 'ready')
    proxy.state.cut = true
    const error = await rejection(redis.incr('counted'))
    expect(redisFate(error)).toBe('unknown')
    proxy.state.cut = false
    await once(redis, 'ready')
    await redis.ping()
    expect(await server.client.get('counted')).toBe('1')
    proxy.close()
  })

  it('R-451: while Redis is away a write is refused at once, not queued for later', async () => {
    const redis = connectAs('write')
    await once(redis, 'ready')
    const closed = once(redis, 'close')
    await server.kill()
    await closed
    expect(redisFate(await rejection(redis.set('late', '1')))).toBe('refused')
    await server.start()
    if (redis.status !== 'ready') await once(redis, 'ready')
    expect(await redis.get('late')).toBeNull()
  })

  it.each(['geheim', 'a:b@c/d?e#f%41+ü'])(
    'the user stands in the URL, the password %s comes from elsewhere',
    async (password) => {
      await server.client.call('ACL', 'SETUSER', 'sluice', 'resetpass', 'on', `>${password}`, '~*', '+@all')
      const url = server.url.replace('redis://', 'redis://sluice@')
      const redis = connectRedis({ url, password }, { role: 'command', name: 'user', log })
      open.push(redis)
      expect(await redis.call('ACL', 'WHOAMI')).toBe('sluice')
    },
  )

  it('a password alone logs in the default user; a wrong one is logged and never shown', async () => {
    await server.client.config('SET', 'requirepass', 'geheim')
    const right = connectRedis({ url: server.url, password: 'geheim' }, { role: 'command', name: 'right', log })
    expect(await right.call('ACL', 'WHOAMI')).toBe('default')
    right.disconnect()
    lines.length = 0
    const wrong = connectRedis({ url: server.url, password: 'falsch' }, { role: 'command', name: 'wrong', log })
    open.push(wrong)
    await rejection(wrong.ping())
    await server.client.config('SET', 'requirepass', '')
    expect(lines.join('')).toContain('redis does not answer')
    expect(lines.join('')).not.toContain('falsch')
  })

  it('rediss:// verifies the certificate of Redis against the CA of the config, and sends nothing without', async () => {
    const [folder, tlsPort, certificate] = [
      await mkdtemp(join(tmpdir(), 'sluice-tls-')),
      await freePort(),
      await createCertificate(),
    ]
    for (const name of ['cert', 'key', 'ca'] as const) await writeFile(join(folder, name), certificate[name])
    const files = ['--tls-cert-file', 'cert', '--tls-key-file', 'key', '--tls-ca-cert-file', 'ca'].map((each) =>
      each.startsWith('--') ? each : join(folder, each),
    )
    const secure = await startRedis(['--tls-port', String(tlsPort), '--tls-auth-clients', 'no', ...files])
    const url = `rediss://127.0.0.1:${tlsPort}`
    const right = connectRedis({ url, password: null, tls: { ca: certificate.ca } }, { role: 'write', name: 'right', log })
    const wrong = connectRedis({ url, password: null }, { role: 'write', name: 'wrong', log })
    open.push(right, wrong)
    await once(right, 'ready')
    expect(await right.set('over', 'TLS')).toBe('OK')
    await expect.poll(() => lines.join('')).toContain('self-signed certificate')
    expect(redisFate(await rejection(wrong.set('over', 'nothing')))).toBe('refused')
    expect(await secure.client.get('over')).toBe('TLS')
    right.disconnect()
    wrong.disconnect()
    await secure.stop()
    await rm(folder, { recursive: true })
  })

  it('an answer that is an error is a refusal', async () => {
    const redis = connectAs('command')
    expect(redisFate(await rejection(redis.eval('return redis.error_reply("OOM")', 0)))).toBe('refused')
  })

  it('a worker waits out an outage that is logged in two lines, not one per attempt', async () => {
    const redis = connectAs('worker')
    await once(redis, 'ready')
    lines.length = 0
    const closed = once(redis, 'close')
    await server.kill()
    await closed
    const answer = redis.ping()
    let attempts = 0
    await new Promise<void>((resolve) => redis.on('reconnecting', () => ++attempts === 3 && resolve()))
    await server.start()
    expect(await answer).toBe('PONG')
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      'redis does not answer; trying again',
      'redis is back',
    ])
  })
})
