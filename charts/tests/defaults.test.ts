/** An install with no values: a working gateway with a Redis of its own and one mailbox. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { loadConfig } from '@sluice/directory'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EVERYTHING } from './support/cases.ts'
import { configOf, configText, containerOf, digestOf, find, podOf, SERVICES } from './support/objects.ts'
import { CHART, HELMS, helm, type KubernetesObject, names, render } from './support/render.ts'

let objects: KubernetesObject[]
let folder: string

beforeAll(async () => {
  objects = await render()
  folder = await mkdtemp(join(tmpdir(), 'sluice-chart-'))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

/** The config as a pod would find it, its files below `folder`; read by the services' own loader. */
const loadAsPod = async (text: string, name: string) => {
  const file = join(folder, `${name}.yaml`)
  const here = text.replaceAll('/etc/sluice/', `${folder}/`)
  for (const [path] of here.matchAll(new RegExp(`${folder}/(?:redis|secrets)/[\\w./-]+`, 'g'))) {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, 'secret')
  }
  await writeFile(file, here)
  return loadConfig(file, { SLUICE_TEST_TOKEN: 'a1b2' }, { dataDir: folder })
}

describe('an install with no values', () => {
  it('has the four services, a Redis, and one mailbox', () => {
    expect(names(objects, 'Deployment')).toEqual(['gate-sluice-delivery-agent', 'gate-sluice-ingress', 'gate-sluice-spooler'])
    expect(names(objects, 'StatefulSet')).toEqual(['gate-sluice-mailbox', 'gate-sluice-redis'])
    expect(configOf(objects, 'ingress').accounts).toEqual([{ address: 'me@sluice.test' }])
  })

  it.each(HELMS)('is the same when it is rendered again: %s', async (which) => {
    const [one, two] = await Promise.all([1, 2].map(() => helm(which, ['template', 'gate', CHART])))
    expect(one?.stdout).not.toBe('')
    expect(one?.stdout).toBe(two?.stdout)
  })

  it.each(SERVICES)('gives %s a config that it takes, without a warning', async (service) => {
    const config = await loadAsPod(configText(objects, service), service)
    expect(config.warnings).toEqual([])
    expect(config.http).toMatchObject({ host: '::', ports: { [service]: 9100 } })
    expect(config.domains.map(({ name }) => name)).toContain('sluice.test')
  })

  it('leads local mail to the mailbox, which listens there', async () => {
    const host = 'gate-sluice-mailbox.mail.svc.cluster.local'
    const agent = await loadAsPod(configText(objects, 'delivery-agent'), 'agent')
    expect(agent.routes.find(({ name }) => name === 'local')?.hosts).toEqual([{ host, port: 2424, weight: 1 }])
    const mailbox = await loadAsPod(configText(objects, 'mailbox'), 'mailbox')
    expect(mailbox.mailbox.listen).toEqual({ host: '::', port: 2424 })
    expect(find(objects, 'Service', 'mailbox').spec?.ports).toMatchObject([{ port: 2424, targetPort: 'lmtp' }])
  })

  it('exposes nothing outside of the cluster, and port 25 alone', () => {
    const { type, ports } = find(objects, 'Service', 'ingress').spec ?? {}
    expect(type).toBe('ClusterIP')
    expect(ports).toEqual([{ name: 'smtp', port: 25, targetPort: 'smtp' }])
  })

  it('names images by registry, repository, service and one tag', async () => {
    const version = /appVersion: "(.*)"/.exec(await readFile(join(CHART, 'Chart.yaml'), 'utf8'))?.[1]
    expect(containerOf(objects, 'spooler').image).toBe(`sluice/spooler:${version}`)
    const other = await render({
      image: { registry: 'registry.example.org:5000', tag: '2.0.0' },
      mailbox: { image: 'own/box:1' },
    })
    expect(containerOf(other, 'ingress').image).toBe('registry.example.org:5000/sluice/ingress:2.0.0')
    expect(containerOf(other, 'mailbox').image).toBe('own/box:1')
  })
})

describe('the config', () => {
  it('is taken by every service, with all that the chart can write into it', async () => {
    const { tls, ...values } = EVERYTHING
    const all = await render(values)
    for (const service of SERVICES) {
      const config = await loadAsPod(configText(all, service), `all-${service}`)
      expect(config.hostname).toBe('mx.example.org')
    }
  })

  it('gives secrets to those who need them: certificates and accounts to ingress, far ends to the delivery-agent', async () => {
    const all = await render(EVERYTHING)
    const mounts = (service: string) =>
      (containerOf(all, service).volumeMounts ?? []).map(({ mountPath }) => mountPath).filter((path) => path.startsWith('/etc'))
    expect(mounts('ingress')).toEqual([
      '/etc/sluice/config',
      '/etc/sluice/redis',
      '/etc/sluice/tls/default',
      '/etc/sluice/secrets/accounts',
    ])
    expect(mounts('delivery-agent')).toEqual(['/etc/sluice/config', '/etc/sluice/redis', '/etc/sluice/secrets/backend.example'])
    expect(mounts('spooler')).toEqual(['/etc/sluice/config', '/etc/sluice/redis'])
    expect(mounts('mailbox')).toEqual(['/etc/sluice/config'])
    expect(configText(all, 'spooler')).not.toMatch(/secrets|tls\.key/)
    expect(podOf(all, 'delivery-agent').volumes).toContainEqual({
      name: expect.stringMatching(/^secret-backend-example-[0-9a-f]{8}$/),
      secret: { secretName: 'backend.example', defaultMode: 0o440 },
    })
  })

  it('gives what tells of accounts’ passwords to ingress alone', async () => {
    const accounts = [
      { address: 'anna@a.test', passwordFile: '/etc/sluice/secrets/accounts/anna' },
      { address: 'ben@a.test', passwordHash: 'scrypt-of-ben' },
    ]
    const all = await render({ config: { domains: [{ name: 'a.test', route: 'local' }], accounts } })
    expect(configOf(all, 'ingress').accounts).toEqual(accounts)
    for (const service of ['spooler', 'delivery-agent', 'mailbox'] as const)
      expect(configOf(all, service).accounts).toEqual([{ address: 'anna@a.test' }, { address: 'ben@a.test' }])
    expect(JSON.stringify(all.filter(({ metadata }) => metadata.name !== 'gate-sluice-ingress'))).not.toContain('scrypt-of-ben')
  })

  it('restarts pods for the keys that need it, and for no others', async () => {
    const live = {
      domains: [{ name: 'example.org', route: 'local', postmaster: 'a@example.org' }],
      accounts: [{ address: 'a@example.org' }],
    }
    const more = {
      ...live,
      routes: [{ name: 'world', match: ['*'], type: 'mx' }],
      policies: [{ connections: 5 }],
      trustedNetworks: ['192.0.2.1'],
    }
    const [before, after, other] = await Promise.all([
      render({ config: live }),
      render({ config: more }),
      render({ config: { ...live, limits: { size: '1MiB' } } }),
    ])
    for (const service of SERVICES) {
      expect(digestOf(after, service), service).toBe(digestOf(before, service))
      expect(digestOf(other, service), service).not.toBe(digestOf(before, service))
    }
  })

  it('has the words that YAML 1.1 takes for truth values, written without quotes', async () => {
    const values = {
      config: {
        routes: [{ name: 'near', match: ['*'], type: 'smtp', hosts: ['10.0.0.5:25'], tls: false }],
        policies: [{ match: { route: 'near' }, tls: false }],
        replyRules: [{ name: 'greylisting', false: true }],
      },
      listeners: { smtp: { auth: false } },
      tls: { existingSecret: 'tls' },
    }
    const all = await render(values)
    const config = configOf(all, 'delivery-agent')
    expect(config.routes[0]?.tls).toBe('off')
    expect(config).toMatchObject({ policies: [{ tls: 'off' }], replyRules: [{ name: 'greylisting', off: true }] })
    expect(configOf(all, 'ingress').listeners[0]?.auth).toBe('off')
  })
})

describe('the test’s own domain', () => {
  it('has a name that only the Secret tells, and leads to the sink', () => {
    const config = configOf(objects, 'ingress')
    const { name, ...rest } = config.domains.at(-1) ?? { name: '' }
    expect(name).toBe(`helm-test-\${SLUICE_TEST_TOKEN}.internal`)
    expect(rest).toEqual({ route: 'helm-test', recipients: 'any' })
    expect(config.routes.at(-1)?.hosts).toEqual(['gate-sluice-test.mail.svc.cluster.local:2525'])
    expect(containerOf(objects, 'ingress').env).toContainEqual({
      name: 'SLUICE_TEST_TOKEN',
      valueFrom: { secretKeyRef: { name: 'gate-sluice-made', key: 'test-token' } },
    })
  })

  it('is gone with `test.enabled: false`, and all that belongs to it', async () => {
    const without = await render({ test: { enabled: false } })
    expect(JSON.stringify(without)).not.toMatch(/TEST_TOKEN|helm-test|helm.sh\/hook":"test/)
  })
})
