import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigError } from '@sluice/runtime'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from './load-config.ts'

describe('where the spool lies', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-config-'))
    await writeFile(join(folder, 'ca.pem'), 'the CA\n')
    await writeFile(join(folder, 'pw'), 'open sesame\n')
  })
  afterAll(() => rm(folder, { recursive: true }))

  const load = async (redis: string) => {
    const file = join(folder, 'sluice.yaml')
    await writeFile(file, `hostname: mx.a.test\nredis: ${redis}\nlisteners: [{ name: in, listen: 2525 }]\n`)
    return loadConfig(file, {})
  }
  const problemsOf = (redis: string): Promise<string[]> =>
    load(redis).then(
      () => [],
      (error: unknown) => {
        if (!(error instanceof ConfigError)) throw error
        return error.problems.map(({ key, message }) => `${key}: ${message}`)
      },
    )

  it.each([
    [
      '{ url: "redis://r:1", cluster: ["c:1"] }',
      'redis.cluster: expected one of url, sentinels and cluster, not url and cluster',
    ],
    [
      '{ sentinels: ["s:1"], cluster: ["c:1"] }',
      'redis.cluster: expected one of url, sentinels and cluster, not sentinels and cluster',
    ],
    ['{ url: "redis://r:1", tls: { caFile: ca.pem } }', 'redis.url: expected rediss:// with tls'],
    ['{ sentinels: ["s:1"], tls: { caFile: nothing.pem } }', 'redis.tls.caFile: expected a file that can be read'],
    ['{ cluster: ["c:1"], lanes: 16, tls: { certFile: ca.pem } }', 'redis.tls: expected certFile and keyFile, or neither'],
    ['{ wait: { replicas: 0 } }', 'redis.wait.replicas: expected'],
    ['{ wait: { timeout: 0 } }', 'redis.wait.timeout: expected 1ms to 10s'],
  ])('%s is refused', async (redis, problem) => {
    expect(await problemsOf(redis)).toEqual([expect.stringContaining(problem)])
  })

  it('Sentinels, log-in and TLS come out with every secret read', async () => {
    const { redis } = await load(
      '{ sentinels: ["a:1", "b:2"], user: sluice, passwordFile: pw, sentinelPasswordFile: pw, tls: { caFile: ca.pem }, wait: {} }',
    )
    expect(redis).toMatchObject({
      sentinels: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
      sentinelName: 'mymaster',
      user: 'sluice',
      password: 'open sesame',
      sentinelPassword: 'open sesame',
      tls: { ca: 'the CA' },
      wait: { replicas: 1, timeoutMs: 1000 },
    })
  })

  it('a cluster with one lane is warned about: all mail would lie on one shard', async () => {
    expect((await load('{ cluster: ["c:1"] }')).warnings).toEqual([expect.stringContaining('one shard of the cluster')])
    expect((await load('{ cluster: ["c:1"], lanes: 16 }')).warnings).toEqual([])
  })
})
