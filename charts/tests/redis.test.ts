/** Redis: the one that comes with the chart, and those that are there already. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it, vi } from 'vitest'
import { configOf, containerOf, digestOf, find, podOf } from './support/objects.ts'
import { names, render } from './support/render.ts'

const external = (redis: object, more: object = {}) => render({ redis: { external: redis }, ...more })

type Ask = (password: string, ...command: string[]) => Promise<string>

/** Runs the bundled Redis as its pod does, its files below a folder of ours, at a socket. */
const withBundled = async (password: string, look: (ask: Ask) => Promise<void>): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-redis-'))
  const socket = join(folder, 'socket')
  const here = (text = ''): string =>
    text
      .replaceAll('/etc/sluice/redis', `${folder}/secret`)
      .replaceAll('/etc/redis', `${folder}/conf`)
      .replaceAll('/run/redis', `${folder}/run`)
      .replaceAll('/data', `${folder}/data`)
  const bundled = { extraConfig: `port 0\nunixsocket ${socket}` }
  const { data = {} } = find(await render({ redis: { bundled } }), 'ConfigMap', 'redis')
  for (const name of ['secret', 'conf', 'run', 'data']) await mkdir(join(folder, name))
  await writeFile(join(folder, 'secret', 'password'), password)
  await writeFile(join(folder, 'conf', 'redis.conf'), here(data['redis.conf']))
  await writeFile(join(folder, 'conf', 'start.sh'), here(data['start.sh']))
  const env = { ...process.env, MEMORY_LIMIT: String(2 ** 30) }
  const server = spawn('sh', [join(folder, 'conf', 'start.sh')], { env, stdio: 'ignore' })
  const ask: Ask = async (auth, ...command) => {
    const options = { env: { ...process.env, REDISCLI_AUTH: auth } }
    return (await promisify(execFile)('redis-cli', ['-s', socket, ...command], options)).stdout.trim()
  }
  try {
    await vi.waitFor(async () => expect(await ask(password, 'ping')).toBe('PONG'), { timeout: 20_000, interval: 100 })
    await look(ask)
  } finally {
    const ended = server.exitCode === null && once(server, 'exit')
    server.kill()
    await ended
    await rm(folder, { recursive: true })
  }
}

describe('the bundled Redis', () => {
  it('keeps what it acknowledges, and its volume when the release is deleted', async () => {
    const objects = await render()
    const conf = find(objects, 'ConfigMap', 'redis').data?.['redis.conf'] ?? ''
    for (const line of ['appendonly yes', 'appendfsync always', 'maxmemory-policy noeviction', 'hash-max-listpack-value 2048']) {
      expect(conf.split('\n')).toContain(line)
    }
    const { spec } = find(objects, 'StatefulSet', 'redis')
    expect(spec?.persistentVolumeClaimRetentionPolicy).toEqual({ whenDeleted: 'Retain', whenScaled: 'Retain' })
    expect(spec?.volumeClaimTemplates?.[0]?.spec?.resources?.requests).toEqual({ storage: '8Gi' })
  })

  it('starts with the password of its Secret, whatever is in it, and a maxmemory of 60 % of its limit', async () => {
    const password = String.raw`pass "word\n' $HOME \"`
    await withBundled(password, async (ask) => {
      expect(await ask(password, 'config', 'get', 'requirepass')).toBe(`requirepass\n${password}`)
      expect(await ask(password, 'config', 'get', 'maxmemory')).toBe(`maxmemory\n${Math.floor((2 ** 30 * 60) / 100)}`)
      expect(await ask('', 'ping')).toMatch(/^NOAUTH/)
    })
    expect(containerOf(await render(), 'redis').env).toContainEqual({
      name: 'MEMORY_LIMIT',
      valueFrom: { resourceFieldRef: { resource: 'limits.memory' } },
    })
  })

  it('starts anew when what it starts with is another', async () => {
    const [one, same, lines, percent] = await Promise.all([
      render(),
      render({ redis: { bundled: { terminationGracePeriodSeconds: 90 } } }),
      render({ redis: { bundled: { extraConfig: 'loglevel warning' } } }),
      render({ redis: { bundled: { maxMemoryPercent: 50 } } }),
    ])
    const [first, ...others] = [one, lines, percent].map((objects) => digestOf(objects, 'redis'))
    expect(digestOf(same, 'redis')).toBe(first)
    for (const other of others) expect(other).not.toBe(first)
  })

  it('is reached with the password that a Job makes before anything else starts', async () => {
    const objects = await render()
    expect(configOf(objects, 'spooler').redis).toEqual({
      url: 'redis://gate-sluice-redis.mail.svc.cluster.local:6379',
      passwordFile: '/etc/sluice/redis/password',
    })
    const volume = podOf(objects, 'spooler').volumes?.find(({ name }) => name === 'redis')
    expect(volume?.projected?.sources).toEqual([
      { secret: { name: 'gate-sluice-made', items: [{ key: 'redis-password', path: 'password' }] } },
    ])
    const job = find(objects, 'Job', 'make-secrets')
    expect(job.metadata?.annotations).toMatchObject({ 'helm.sh/hook': 'pre-install,pre-upgrade', 'helm.sh/hook-weight': '0' })
    expect(find(objects, 'Role', 'make-secrets').metadata?.annotations?.['helm.sh/hook-weight']).toBe('-10')
    expect(find(objects, 'Role', 'make-secrets').rules).toEqual([{ apiGroups: [''], resources: ['secrets'], verbs: ['create'] }])
  })

  it('has its Secret removed by a Job that may remove this one and the pod of the last test, and nothing else', async () => {
    const objects = await render()
    expect(find(objects, 'Job', 'remove-secrets').metadata?.annotations?.['helm.sh/hook']).toBe('post-delete')
    expect(find(objects, 'Role', 'remove-secrets').rules).toEqual([
      { apiGroups: [''], resources: ['secrets'], verbs: ['delete'], resourceNames: ['gate-sluice-made'] },
      { apiGroups: [''], resources: ['pods'], verbs: ['delete'], resourceNames: ['gate-sluice-test'] },
    ])
  })

  it.each([
    ['make', 'stays to be looked at when it fails', 'before-hook-creation,hook-succeeded'],
    ['remove', 'goes when it fails, too', 'before-hook-creation,hook-succeeded,hook-failed'],
  ])('has a Job to %s its Secret that ends in time if its image is not to be had, and %s', async (action, _, policy) => {
    const objects = await render({ hooks: { timeoutSeconds: 30 } })
    const { metadata, spec } = find(objects, 'Job', `${action}-secrets`)
    expect(metadata?.annotations?.['helm.sh/hook-delete-policy']).toBe(policy)
    expect(spec).toMatchObject({ activeDeadlineSeconds: 30, backoffLimit: 3, ttlSecondsAfterFinished: 3600 })
    // When a hook fails, Helm takes away what succeeded before it.
    const others = objects.filter(({ kind, metadata: { name } }) => kind !== 'Job' && name === `gate-sluice-${action}-secrets`)
    expect(others.map(({ kind }) => kind).toSorted()).toEqual([
      'ConfigMap',
      'NetworkPolicy',
      'Role',
      'RoleBinding',
      'ServiceAccount',
    ])
    for (const other of others)
      expect(other.metadata.annotations?.['helm.sh/hook-delete-policy']).toBe('before-hook-creation,hook-succeeded')
  })

  it('takes a password that is there', async () => {
    const objects = await render({ redis: { bundled: { existingSecret: 'own', passwordKey: 'pw' } }, test: { enabled: false } })
    const sources = podOf(objects, 'redis').volumes?.find(({ name }) => name === 'password')?.projected?.sources
    expect(sources).toEqual([{ secret: { name: 'own', items: [{ key: 'pw', path: 'password' }] } }])
    expect(names(objects, 'Job')).toEqual([])
  })

  it('has no volume, or one that is there', async () => {
    const [none, own] = await Promise.all([
      render({ redis: { bundled: { persistence: { enabled: false } } } }),
      render({ redis: { bundled: { persistence: { existingClaim: 'spool' } } } }),
    ])
    const data = (objects: typeof none) => podOf(objects, 'redis').volumes?.find(({ name }) => name === 'data')
    expect(data(none)).toEqual({ name: 'data', emptyDir: {} })
    expect(data(own)).toEqual({ name: 'data', persistentVolumeClaim: { claimName: 'spool' } })
  })
})

describe('a Redis outside the chart', () => {
  it('stands in place of the bundled one', async () => {
    const objects = await external({ url: 'rediss://redis.data:6380', existingSecret: 'redis', user: 'sluice' })
    expect(configOf(objects, 'ingress').redis).toEqual({
      url: 'rediss://redis.data:6380',
      user: 'sluice',
      passwordFile: '/etc/sluice/redis/password',
    })
    expect(names(objects, 'StatefulSet')).toEqual(['gate-sluice-mailbox'])
    expect(names(objects, 'Service')).not.toContain('gate-sluice-redis')
  })

  it('has Sentinels, with a password of theirs', async () => {
    const sentinels = ['s0:26379', 's1:26379']
    const objects = await external({ sentinels, sentinelName: 'spool', existingSecret: 'redis', sentinelPasswordKey: 'watch' })
    expect(configOf(objects, 'ingress').redis).toEqual({
      sentinels,
      sentinelName: 'spool',
      passwordFile: '/etc/sluice/redis/password',
      sentinelPasswordFile: '/etc/sluice/redis/sentinel-password',
    })
    const items = podOf(objects, 'ingress').volumes?.find(({ name }) => name === 'redis')?.projected?.sources?.[0]?.secret?.items
    expect(items).toEqual([
      { key: 'password', path: 'password' },
      { key: 'watch', path: 'sentinel-password' },
    ])
  })

  it('is a Cluster with lanes, TLS and certificates of its own', async () => {
    const tls = { enabled: true, existingSecret: 'certs', caKey: 'ca', certKey: 'crt', keyKey: 'key' }
    const objects = await external({ cluster: ['c0:6379'], tls }, { config: { redis: { lanes: 16, wait: { replicas: 1 } } } })
    const files = {
      caFile: '/etc/sluice/redis/tls/ca',
      certFile: '/etc/sluice/redis/tls/crt',
      keyFile: '/etc/sluice/redis/tls/key',
    }
    expect(configOf(objects, 'delivery-agent').redis).toEqual({
      cluster: ['c0:6379'],
      lanes: 16,
      wait: { replicas: 1 },
      tls: files,
    })
    const sources = podOf(objects, 'spooler').volumes?.find(({ name }) => name === 'redis')?.projected?.sources
    expect(sources?.[0]?.secret?.items).toContainEqual({ key: 'ca', path: 'tls/ca' })
  })

  it('may have no password', async () => {
    const objects = await external({ url: 'redis://redis.data' })
    expect(configOf(objects, 'ingress').redis).toEqual({ url: 'redis://redis.data' })
    expect(podOf(objects, 'ingress').volumes?.map(({ name }) => name)).toEqual(['config', 'tmp'])
  })
})
