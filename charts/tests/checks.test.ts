/** Values that do not go together are refused in words, and keys that do not exist are refused at all. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CHART, refusals, render, type Values } from './support/render.ts'

const CASES: [string, Values, RegExp][] = [
  ['a listener in the config', { config: { listeners: [] } }, /config\.listeners: the chart sets this/],
  ['http in the config', { config: { http: {} } }, /config\.http: the chart sets this/],
  ['the mailbox’s address in the config', { config: { mailbox: {} } }, /config\.mailbox: the chart sets this/],
  ['the grace in the config', { config: { shutdownGrace: '1m' } }, /config\.shutdownGrace: .*shutdownGraceSeconds/],
  ['where Redis is, in the config', { config: { redis: { url: 'redis://a' } } }, /config\.redis\.url: .*redis\.external/],
  ['a route of the test’s name', { config: { routes: [{ name: 'helm-test', type: 'mx' }] } }, /the name helm-test is taken/],
  [
    'files that pods do not share',
    { config: { content: { store: 'file' } } },
    /config\.content\.store: .*deliveryAgent\.extraVolumes/,
  ],
  [
    'two ways to Redis',
    { redis: { external: { url: 'redis://a', cluster: ['b:1'] } } },
    /expected one of url, sentinels and cluster, not url and cluster/,
  ],
  ['a password without a server', { redis: { external: { existingSecret: 'a' } } }, /and no server/],
  [
    'a password in the URL',
    { redis: { external: { url: 'redis://u:p@a:1' } } },
    /redis\.external\.url: the password belongs into a Secret/,
  ],
  ['another kind of URL', { redis: { external: { url: 'http://a' } } }, /expected redis:\/\/host:port/],
  ['TLS and a plain URL', { redis: { external: { url: 'redis://a', tls: { enabled: true } } } }, /begins with rediss/],
  [
    'certificates that nobody uses',
    { redis: { external: { url: 'rediss://a', tls: { existingSecret: 's' } } } },
    /redis\.external\.tls\.enabled: true/,
  ],
  [
    'a certificate without its key',
    { redis: { external: { url: 'rediss://a', tls: { enabled: true, existingSecret: 's', certKey: 'c' } } } },
    /expected certKey and keyKey, or neither/,
  ],
  [
    'a certificate from nowhere',
    { redis: { external: { url: 'rediss://a', tls: { enabled: true, certKey: 'c', keyKey: 'k' } } } },
    /certKey: it is a key of/,
  ],
  [
    'a user without a password',
    { redis: { external: { url: 'redis://a', user: 'u' } } },
    /redis\.external\.user: a user logs in/,
  ],
  [
    'a Sentinel’s password from nowhere',
    { redis: { external: { sentinels: ['a:1'], sentinelPasswordKey: 'k' } } },
    /sentinelPasswordKey: it is a key of/,
  ],
  ['a Redis without a limit', { redis: { bundled: { resources: { limits: null } } } }, /limits\.memory: Redis needs a limit/],
  ['waiting for replicas that are not there', { config: { redis: { wait: { replicas: 1 } } } }, /no replicas to wait for/],
  ['no listener at all', { listeners: { smtp: { enabled: false } }, test: { enabled: false } }, /listeners: there are none/],
  [
    'log-in without TLS',
    { listeners: { smtp: { auth: 'optional' } } },
    /listeners\.smtp\.auth: a log-in is offered only under TLS/,
  ],
  [
    'two listeners at one port',
    { listeners: { submission: { port: 25 } }, tls: { existingSecret: 'a' } },
    /listeners: expected a port of its own/,
  ],
  [
    'two certificates',
    { tls: { existingSecret: 'a', certManager: { enabled: true, issuerRef: { name: 'i' } } } },
    /tls: expected existingSecret or certManager, not both/,
  ],
  ['a certificate that nobody signs', { tls: { certManager: { enabled: true } } }, /issuerRef: expected the name of an issuer/],
  [
    'a test by a listener that is off',
    { listeners: { smtp: { enabled: false } }, tls: { existingSecret: 'a' } },
    /test\.enabled: `helm test` sends by listeners\.smtp/,
  ],
  [
    'trust in clients whose address is hidden',
    {
      config: { trustedNetworks: ['10.0.0.0/8'] },
      ingress: { service: { type: 'LoadBalancer', externalTrafficPolicy: 'Cluster' } },
    },
    /config\.trustedNetworks: .*whom you trust cannot be told from whom you do not/,
  ],
  [
    'trust in clients whose address is hidden behind addresses of nodes',
    {
      config: { trustedNetworks: ['10.0.0.0/8'] },
      ingress: { service: { externalIPs: ['192.0.2.5'], externalTrafficPolicy: 'Cluster' } },
    },
    /config\.trustedNetworks: .*whom you trust cannot be told from whom you do not/,
  ],
  [
    'ports of nodes without a NodePort',
    { ingress: { service: { nodePorts: { smtp: 30025 } } } },
    /ingress\.service\.nodePorts\.smtp/,
  ],
  [
    'a balancer that is none',
    { ingress: { service: { loadBalancerClass: 'a' } } },
    /there are values for a balancer, and its type is ClusterIP/,
  ],
  [
    'a port of nodes for nobody',
    { ingress: { hostPorts: { submission: 587 }, strategy: { rollingUpdate: { maxUnavailable: 1 } } } },
    /ingress\.hostPorts\.submission: this listener is not there/,
  ],
  ['a port of nodes that is never free', { ingress: { hostPorts: { smtp: 25 } } }, /an upgrade would wait for ever/],
  [
    'bounds the wrong way round',
    { deliveryAgent: { autoscaling: { minReplicas: 5, maxReplicas: 2 } } },
    /deliveryAgent\.autoscaling: minReplicas is more/,
  ],
  [
    'CPU that nobody asked for',
    { ingress: { autoscaling: { enabled: true }, resources: { requests: null } } },
    /ingress\.autoscaling: it goes by/,
  ],
  [
    'more sessions than an agent holds',
    { deliveryAgent: { autoscaling: { sessionsPerAgent: 80 } } },
    /sessionsPerAgent: an agent holds 50 sessions/,
  ],
  [
    'sessions from the environment, and nothing to scale by',
    { config: { delivery: { sessions: `\${N}` } }, deliveryAgent: { autoscaling: { via: 'keda' } } },
    /sessionsPerAgent: config\.delivery\.sessions comes from the environment/,
  ],
  [
    'a timeout from the environment, and no grace',
    { config: { delivery: { timeouts: { dot: `\${DOT:-20m}` } } } },
    /deliveryAgent\.shutdownGraceSeconds: config\.delivery\.timeouts\.dot comes from the environment/,
  ],
  [
    'a test where everybody has to log in',
    { listeners: { smtp: { auth: 'required' } }, tls: { existingSecret: 'a' } },
    /test\.enabled: `helm test` has no account/,
  ],
  [
    'nodes that could never be drained',
    { spooler: { pdb: { minAvailable: 2 } } },
    /spooler\.pdb\.minAvailable: .*no node could ever be drained/,
  ],
  [
    'nodes that nobody may be taken from',
    { mailbox: { pdb: { maxUnavailable: 0 } } },
    /mailbox\.pdb\.maxUnavailable: .*no node could ever be drained/,
  ],
  [
    'two rules for one budget',
    { spooler: { pdb: { minAvailable: 1, maxUnavailable: 2 } } },
    /spooler\.pdb: expected minAvailable or max/,
  ],
  [
    'an end before the end',
    { deliveryAgent: { terminationGracePeriodSeconds: 60 } },
    /terminationGracePeriodSeconds: 60 s end before .*630 s/,
  ],
  [
    'figures that count twice',
    { monitoring: { podMonitor: { enabled: true }, serviceMonitor: { enabled: true } } },
    /podMonitor or serviceMonitor, not both/,
  ],
  [
    'a volume that is not used',
    { mailbox: { persistence: { enabled: false, existingClaim: 'a' } } },
    /mailbox: persistence\.existingClaim is named/,
  ],
]

const DRAINS: [string, string[], RegExp | null][] = [
  ['all must stay', ['spooler.pdb.minAvailable=2'], /spooler\.pdb\.minAvailable: 2 of 2 pods/],
  ['all of them in percent', ['spooler.pdb.minAvailable=100%'], /minAvailable: 100% of 2 pods/],
  ['more than half of two', ['spooler.pdb.minAvailable=51%'], /minAvailable: 51% of 2 pods/],
  ['half of two', ['spooler.pdb.minAvailable=50%'], null],
  ['one of two', ['spooler.pdb.minAvailable=1'], null],
  ['none may go', ['spooler.pdb.maxUnavailable=0'], /spooler\.pdb\.maxUnavailable: 0: none may ever be away/],
  ['none in percent', ['spooler.pdb.maxUnavailable=0%'], /maxUnavailable: 0%: none may ever be away/],
  ['a few percent, which are one', ['spooler.pdb.maxUnavailable=1%'], null],
  [
    'the fewest of an autoscaler',
    ['ingress.autoscaling.enabled=true', 'ingress.replicas=5', 'ingress.pdb.minAvailable=2'],
    /ingress\.pdb\.minAvailable: 2 of 2 pods/,
  ],
  [
    'the fewest of KEDA',
    ['deliveryAgent.autoscaling.via=keda', 'deliveryAgent.replicas=5', 'deliveryAgent.pdb.minAvailable=2'],
    /deliveryAgent\.pdb\.minAvailable: 2 of 2 pods/,
  ],
  ['bounds of an autoscaler that is off', ['deliveryAgent.replicas=5', 'deliveryAgent.pdb.minAvailable=2'], null],
  ['no budget at all', ['spooler.pdb.enabled=false', 'spooler.pdb.minAvailable=2'], null],
]

describe('a budget for drains', () => {
  it.each(DRAINS)('%s', async (_, set, words) => {
    if (words === null) await expect(refusals({}, set)).rejects.toThrow('expected these values to be refused')
    else for (const said of await refusals({}, set)) expect(said).toMatch(words)
  })
})

describe('values that do not go together', () => {
  it.each(CASES)('%s', async (_, values, words) => {
    for (const said of await refusals(values)) {
      expect(said).toMatch(/These values do not go together:/)
      expect(said).toMatch(words)
    }
  })

  it('are told all at once', async () => {
    const [said] = await refusals({ config: { http: {}, listeners: [] }, listeners: { smtp: { auth: 'required' } } })
    expect(said?.match(/^ {2}- /gm)).toHaveLength(4)
  })

  it('are all tried here: each check has a case', async () => {
    const template = await readFile(join(CHART, 'templates', 'checks.yaml'), 'utf8')
    const checks = template.match(/append \$wrong/g) ?? []
    expect(CASES.length).toBeGreaterThanOrEqual(checks.length)
  })
})

describe('what is not known', () => {
  it.each<[string, Values, RegExp]>([
    ['a key at the top', { ingres: {} }, /ingres/],
    ['a key of a section', { ingress: { replica: 3 } }, /replica/],
    ['a key of the gateway’s config', { config: { domainz: [] } }, /domainz/],
    ['a key deep in the gateway’s config', { config: { routes: [{ name: 'a', type: 'mx', host: 'b' }] } }, /host/],
    ['a word that is none of those', { ingress: { service: { type: 'Balancer' } } }, /type/],
    ['a number that is none', { spooler: { replicas: 'two' } }, /replicas/],
    [
      'a duration without its unit',
      { config: { delivery: { timeouts: { dot: 600 } } } },
      /string, .*(integer|number)|want string/,
    ],
    ['a duration of two parts', { config: { delivery: { timeouts: { dot: '1m30s' } } } }, /dot.*does not match pattern/i],
    [
      'a duration of words',
      { config: { replyRules: [{ status: '4.7.1', pause: 'a while' }] } },
      /pause.*does not match pattern/i,
    ],
    ['a name longer than a label', { nameOverride: 'n'.repeat(70) }, /nameOverride/],
    ['a name that is no label', { nameOverride: 'My gateway' }, /nameOverride/],
  ])('%s', async (_, values, words) => {
    for (const said of await refusals(values)) {
      expect(said).toMatch(/values don't meet the specifications of the schema/)
      expect(said).toMatch(words)
    }
  })

  it('may be a variable of the environment, where the config expects a number', async () => {
    const values = { config: { delivery: { sessions: `\${SESSIONS:-50}` }, limits: { connections: `\${MOST}` } } }
    expect((await render(values)).length).toBeGreaterThan(10)
  })
})
