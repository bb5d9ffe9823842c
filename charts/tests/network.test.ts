/** NetworkPolicies, held against the drawing in ARCHITECTURE.md: who speaks with whom, and nobody else. */
import { describe, expect, it } from 'vitest'
import { find, podOf } from './support/objects.ts'
import { type KubernetesObject, names, render, type Values } from './support/render.ts'

type Peer = { podSelector?: { matchLabels?: Record<string, string> }; ipBlock?: { cidr: string }; namespaceSelector?: object }

const nameOf = (peer: Peer): string =>
  peer.podSelector?.matchLabels?.['app.kubernetes.io/component'] ?? peer.ipBlock?.cidr ?? 'the cluster'

type Rule = { ports?: { port?: unknown; protocol?: string }[]; from?: Peer[]; to?: Peer[] }

/** `any:25`, `redis:6379`: whom and where. */
const arrows = (rules: Rule[] = []): string[] =>
  rules
    .flatMap(({ ports = [], from, to }) => {
      const peers = (from ?? to)?.map(nameOf) ?? ['any']
      return peers.flatMap((peer) =>
        ports.map(({ port = '*', protocol }) => `${peer}:${port}${protocol === 'UDP' ? '/udp' : ''}`),
      )
    })
    .toSorted()

const drawing = (objects: KubernetesObject[]): Record<string, { in: string[]; out: string[] }> =>
  Object.fromEntries(
    ['ingress', 'spooler', 'delivery-agent', 'mailbox', 'redis', 'test']
      .filter((name) => names(objects, 'NetworkPolicy').includes(`gate-sluice-${name}`))
      .map((name) => {
        const { spec } = find(objects, 'NetworkPolicy', name)
        return [name, { in: arrows(spec?.ingress as Rule[]), out: arrows(spec?.egress as Rule[]) }]
      }),
  )

const DNS = ['any:53', 'any:53/udp', 'any:5353', 'any:5353/udp']
const draw = async (values: Values) => drawing(await render(values))

describe('NetworkPolicies', () => {
  it('allow what the drawing shows, and nothing else', async () => {
    expect(await draw({})).toEqual({
      ingress: { in: ['any:2525', 'the cluster:9100'], out: [...DNS, 'redis:6379'] },
      spooler: { in: ['the cluster:9100'], out: [...DNS, 'redis:6379'] },
      'delivery-agent': { in: ['the cluster:9100'], out: [...DNS, 'mailbox:2424', 'redis:6379', 'test:2525'] },
      mailbox: { in: ['delivery-agent:2424', 'the cluster:9100'], out: [] },
      redis: { in: ['delivery-agent:6379', 'ingress:6379', 'spooler:6379'], out: [] },
      test: { in: ['delivery-agent:2525'], out: [...DNS, 'ingress:2525'] },
    })
  })

  it('forbid both ways what they do not allow, for the pods that they name', async () => {
    const objects = await render()
    for (const name of ['ingress', 'spooler', 'delivery-agent', 'mailbox']) {
      const { spec } = find(objects, 'NetworkPolicy', name)
      expect(spec?.policyTypes).toEqual(['Ingress', 'Egress'])
      expect(podOf(objects, name).labels).toMatchObject(spec?.podSelector?.matchLabels ?? { none: 'none' })
    }
  })

  it('let the delivery-agent out at the ports of its routes, whatever way they are written', async () => {
    const hosts = ['10.0.0.5:2526', 'mail.example.org', { host: 'a', port: 587 }, { host: 'b' }]
    const routes = [
      { name: 'near', type: 'smtp', hosts },
      { name: 'safe', type: 'smtp', hosts: ['c'], tls: 'implicit' },
      { name: 'local-server', type: 'lmtp', hosts: ['d', '[::1]:2424'] },
      { name: 'world', match: ['*'], type: 'mx' },
    ]
    const { 'delivery-agent': agent, ...rest } = await draw({ config: { routes }, test: { enabled: false } })
    expect(agent?.out).toEqual(['any:24', 'any:2424', 'any:25', 'any:2526', 'any:465', ...DNS, 'any:587', 'redis:6379'])
    expect(Object.keys(rest)).toEqual(['ingress', 'spooler', 'redis'])
  })

  it('let it out everywhere when a host comes from the environment', async () => {
    const routes = [{ name: 'a', match: ['*'], type: 'smtp', hosts: [`\${SMARTHOST}`] }]
    expect((await draw({ config: { routes } }))['delivery-agent']?.out).toContain('any:*')
  })

  it.each<[string, object, string[]]>([
    ['one server', { url: 'rediss://redis.data:6380' }, ['any:6380']],
    ['one server at the usual port', { url: 'redis://redis.data' }, ['any:6379']],
    ['one of its databases', { url: 'redis://redis.data:6381/2' }, ['any:6381']],
    ['Sentinels', { sentinels: ['s0:26379', 's1:26380'] }, ['any:26379', 'any:26380', 'any:6379']],
    ['a Cluster', { cluster: ['c0:6379', 'c1:7000'] }, ['any:6379', 'any:7000']],
  ])('lead to a Redis outside: %s', async (_, external, out) => {
    const whole = await draw({ redis: { external } })
    expect(whole.spooler?.out).toEqual([...DNS, ...out].toSorted())
    expect(whole.redis).toBeUndefined()
  })

  it('lead to a Redis outside at the ports that the values name, where its nodes listen on others', async () => {
    const external = { cluster: ['c0:7000'] }
    const whole = await draw({ redis: { external }, networkPolicy: { redisPorts: [7000, 7001, 7002] } })
    expect(whole.ingress?.out).toEqual([...DNS, 'any:7000', 'any:7001', 'any:7002'])
  })

  it('let more in and out of all services and Redis, for what stands beside them', async () => {
    const networkPolicy = { extraIngress: [{ ports: [{ port: 9121 }] }], extraEgress: [{ ports: [{ port: 15012 }] }] }
    const whole = await draw({ networkPolicy })
    for (const name of ['ingress', 'spooler', 'delivery-agent', 'mailbox', 'redis']) {
      expect(whole[name]?.in, name).toContain('any:9121')
      expect(whole[name]?.out, name).toContain('any:15012')
    }
    expect(whole.redis?.in).toHaveLength(4)
  })

  it('may be narrowed and widened', async () => {
    const block = (cidr: string) => [{ ipBlock: { cidr } }]
    const networkPolicy = {
      clients: block('192.0.2.0/24'),
      metrics: block('10.1.0.0/16'),
      dns: block('10.96.0.10/32'),
      farEnds: block('198.51.100.0/24'),
      extraEgress: [{ ports: [{ port: 9999 }] }],
    }
    const config = { routes: [{ name: 'world', match: ['*'], type: 'mx' }], resolver: { servers: ['10.0.0.1:5300'] } }
    const whole = await draw({ networkPolicy, config })
    expect(whole.ingress?.in).toEqual(['10.1.0.0/16:9100', '192.0.2.0/24:2525', 'test:2525'])
    const ports = ['53', '53/udp', '5300', '5300/udp', '5353', '5353/udp']
    const dns = ['10.0.0.1/32', '10.96.0.10/32'].flatMap((cidr) => ports.map((port) => `${cidr}:${port}`))
    expect(whole['delivery-agent']?.out).toEqual([...dns, '198.51.100.0/24:25', 'any:9999', 'redis:6379', 'test:2525'])
  })

  it('lead to name servers of the config by UDP and TCP, wherever the others are', async () => {
    const servers = ['10.0.0.1:53', '[2001:db8::5]:5300']
    const open = await draw({ config: { resolver: { servers } } })
    expect(open.spooler?.out).toEqual([...DNS, 'any:5300', 'any:5300/udp', 'redis:6379'].toSorted())
    const cluster = [{ podSelector: { matchLabels: { 'app.kubernetes.io/component': 'dns' } } }]
    const narrow = await draw({ config: { resolver: { servers } }, networkPolicy: { dns: cluster } })
    for (const peer of ['dns', '10.0.0.1/32', '2001:db8::5/128'])
      expect(narrow.spooler?.out).toEqual(expect.arrayContaining(['53', '53/udp', '5300', '5300/udp'].map((p) => `${peer}:${p}`)))
  })

  it('lead to an S3 store from what works on contents, and to a collector of traces from all, where there are such', async () => {
    const keys = { accessKeyFile: '/etc/sluice/secrets/bucket/id', secretKeyFile: '/etc/sluice/secrets/bucket/key' }
    const content = { store: 's3', s3: { endpoint: 'https://minio.example.org:9000', bucket: 'mail', ...keys } }
    const config = { content, domains: [{ name: 'a.test', route: 'local' }] }
    const whole = await draw({ config, tracing: { endpoint: 'http://collector:4318' }, test: { enabled: false } })
    for (const name of ['ingress', 'spooler']) expect(whole[name]?.out).toEqual(['any:4318', ...DNS, 'any:9000', 'redis:6379'])
    expect(whole['delivery-agent']?.out).toEqual(expect.arrayContaining(['any:4318', 'any:9000']))
    expect(whole.mailbox?.out).toEqual(['any:4318', ...DNS])
    const networkPolicy = {
      content: [{ ipBlock: { cidr: '192.0.2.9/32' } }],
      traces: [{ podSelector: { matchLabels: { 'app.kubernetes.io/component': 'collector' } } }],
    }
    const narrow = await draw({ config, networkPolicy, tracing: { endpoint: 'http://collector:4318' }, test: { enabled: false } })
    expect(narrow.spooler?.out).toEqual(['192.0.2.9/32:9000', ...DNS, 'collector:4318', 'redis:6379'])
  })

  it.each<[string, object, string[]]>([
    ['one of AWS, by a role', {}, ['169.254.170.23/32:80', 'any:443', 'fd00:ec2::23/128:80']],
    ['another one, by a role', { endpoint: 'https://s3.example.org:9000' }, ['169.254.170.23/32:80', 'any:443', 'any:9000']],
    ['one whose host the environment names', { endpoint: `https://\${S3_HOST}:9000`, accessKeyFile: '/x' }, ['any:9000']],
    ['one that the environment names whole', { endpoint: `\${S3_URL}`, accessKeyFile: '/x' }, ['any:*']],
  ])('lead to a bucket, and to whoever says who we are: %s', async (_, s3, out) => {
    const whole = await draw({ config: { content: { store: 's3', s3: { bucket: 'mail', ...s3 } } } })
    for (const name of ['ingress', 'spooler', 'delivery-agent']) expect(whole[name]?.out).toEqual(expect.arrayContaining(out))
    expect(whole.mailbox?.out).toEqual([])
    const hasIdentity = whole.spooler?.out.includes('169.254.170.23/32:80')
    expect(hasIdentity).toBe(!('accessKeyFile' in s3))
  })

  it('lead to the agents of a node that give credentials, and to the instance unless a service may not ask it', async () => {
    const config = { content: { store: 's3', s3: { bucket: 'mail' } } }
    const quiet = { extraEnv: [{ name: 'AWS_EC2_METADATA_DISABLED', value: 'true' }] }
    const whole = await draw({ config, deliveryAgent: quiet, spooler: quiet })
    const ofNode = ['169.254.170.2/32:80', '169.254.170.23/32:80', 'fd00:ec2::23/128:80']
    const ofInstance = ['169.254.169.254/32:80', 'fd00:ec2::254/128:80']
    const given = (name: string) => whole[name]?.out.filter((arrow) => arrow.endsWith(':80'))
    expect(given('ingress')).toEqual([...ofNode, ...ofInstance].toSorted())
    expect(given('spooler')).toEqual(ofNode)
    expect(given('delivery-agent')).toEqual(ofNode)
  })

  it('let the Job that makes the Secret reach the API server at whatever port, from the first moment', async () => {
    const { spec, metadata } = find(await render(), 'NetworkPolicy', 'make-secrets')
    expect(arrows(spec?.egress as Rule[])).toEqual(['any:*', 'any:53/udp', 'any:5353/udp'])
    expect(metadata?.annotations).toMatchObject({ 'helm.sh/hook': 'pre-install,pre-upgrade', 'helm.sh/hook-weight': '-10' })
  })

  it('are gone when they are not wanted', async () => {
    expect(names(await render({ networkPolicy: { enabled: false } }), 'NetworkPolicy')).toEqual([])
  })
})
