/** The way of clients to ingress: balancer, ports of nodes, PROXY protocol, certificates; and what the notes say of it. */
import { describe, expect, it } from 'vitest'
import { EXAMPLE_FILES } from './support/cases.ts'
import { configOf, containerOf, find, findCustom, podOf } from './support/objects.ts'
import { CHART, helm, render, type Values } from './support/render.ts'

const TLS = { tls: { existingSecret: 'mx-tls' } }

describe('the Service of ingress', () => {
  it('maps 25, 587 and 465 to ports that need no rights', async () => {
    const objects = await render(TLS)
    expect(find(objects, 'Service', 'ingress').spec?.ports).toEqual([
      { name: 'smtp', port: 25, targetPort: 'smtp' },
      { name: 'submission', port: 587, targetPort: 'submission' },
      { name: 'submissions', port: 465, targetPort: 'submissions' },
    ])
    expect(containerOf(objects, 'ingress').ports?.slice(0, 3)).toEqual([
      { name: 'smtp', containerPort: 2525 },
      { name: 'submission', containerPort: 2587 },
      { name: 'submissions', containerPort: 2465 },
    ])
  })

  it('keeps the client’s address behind a balancer', async () => {
    const values = {
      ingress: { service: { type: 'LoadBalancer', loadBalancerClass: 'example.org/lb', annotations: { a: 'b' } } },
    }
    const { spec, metadata } = find(await render(values), 'Service', 'ingress')
    expect(spec).toMatchObject({ type: 'LoadBalancer', externalTrafficPolicy: 'Local', loadBalancerClass: 'example.org/lb' })
    expect(metadata?.annotations).toEqual({ a: 'b' })
  })

  it('may be at ports of the nodes', async () => {
    const service = { type: 'NodePort', nodePorts: { smtp: 30025 } }
    const { spec } = find(await render({ ingress: { service } }), 'Service', 'ingress')
    expect(spec?.ports).toEqual([{ name: 'smtp', port: 25, targetPort: 'smtp', nodePort: 30025 }])
  })

  it('keeps it at addresses of nodes, too', async () => {
    const exposed = await render({ ingress: { service: { externalIPs: ['192.0.2.5'] } } })
    expect(find(exposed, 'Service', 'ingress').spec).toMatchObject({ type: 'ClusterIP', externalTrafficPolicy: 'Local' })
    expect(find(await render(), 'Service', 'ingress').spec).not.toHaveProperty('externalTrafficPolicy')
  })

  it('may be passed by: ports of the nodes themselves', async () => {
    const ingress = { hostPorts: { smtp: 25 }, strategy: { rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } } }
    expect(containerOf(await render({ ingress }), 'ingress').ports?.[0]).toEqual({
      name: 'smtp',
      containerPort: 2525,
      hostPort: 25,
    })
  })
})

describe('pods at ports of the nodes', () => {
  const strategyOf = async (strategy: object) =>
    find(await render({ ingress: { hostPorts: { smtp: 25 }, strategy } }), 'Deployment', 'ingress').spec?.strategy

  it('may all go before the new ones come', async () => {
    expect(await strategyOf({ type: 'Recreate' })).toEqual({ type: 'Recreate' })
    expect(await strategyOf({ type: 'Recreate', rollingUpdate: null })).toEqual({ type: 'Recreate' })
  })

  it('may go one by one', async () => {
    const strategy = { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } }
    expect(await strategyOf(strategy)).toEqual(strategy)
  })
})

describe('listeners', () => {
  it('of submission are there once there is a certificate, and want a log-in', async () => {
    expect(configOf(await render(), 'ingress').listeners).toEqual([{ name: 'smtp', listen: '[::]:2525' }])
    const tls = { certFile: '/etc/sluice/tls/default/tls.crt', keyFile: '/etc/sluice/tls/default/tls.key' }
    expect(configOf(await render(TLS), 'ingress').listeners).toEqual([
      { name: 'smtp', listen: '[::]:2525', tls, implicitTls: false, auth: 'off' },
      { name: 'submission', listen: '[::]:2587', tls, implicitTls: false, auth: 'required' },
      { name: 'submissions', listen: '[::]:2465', tls, implicitTls: true, auth: 'required' },
    ])
  })

  it('trust no network unless told so: neither clients nor balancers', async () => {
    const config = configOf(await render(), 'ingress')
    expect(config.trustedNetworks).toBeUndefined()
    expect(config.listeners[0]).not.toHaveProperty('proxy')
  })

  it('take the PROXY protocol from the balancers that are named', async () => {
    const objects = await render({ ...TLS, proxyProtocol: { trusted: ['10.0.0.0/8', '2001:db8::/32'] } })
    for (const { proxy } of configOf(objects, 'ingress').listeners)
      expect(proxy).toEqual({ trusted: ['10.0.0.0/8', '2001:db8::/32'] })
  })

  it('may be on IPv4 alone', async () => {
    const config = configOf(await render({ listenAddress: '0.0.0.0' }), 'ingress')
    expect(config).toMatchObject({ listeners: [{ listen: '0.0.0.0:2525' }], http: { host: '0.0.0.0' } })
  })
})

describe('the certificate', () => {
  it('is mounted as a folder, so that a new one is seen without a restart', async () => {
    const objects = await render(TLS)
    expect(podOf(objects, 'ingress').volumes).toContainEqual({
      name: 'tls',
      secret: { secretName: 'mx-tls', defaultMode: 0o440 },
    })
    const mount = containerOf(objects, 'ingress').volumeMounts?.find(({ name }) => name === 'tls')
    expect(mount).toEqual({ name: 'tls', mountPath: '/etc/sluice/tls/default', readOnly: true })
  })

  it('may be cert-manager’s, for the gateway’s own name', async () => {
    const tls = { certManager: { enabled: true, issuerRef: { name: 'letsencrypt', kind: 'ClusterIssuer' } } }
    const objects = await render({ config: { hostname: 'mx.example.org' }, tls })
    expect(findCustom(objects, 'Certificate').spec).toMatchObject({
      secretName: 'gate-sluice-tls',
      dnsNames: ['mx.example.org'],
      issuerRef: { name: 'letsencrypt', kind: 'ClusterIssuer' },
    })
    expect(podOf(objects, 'ingress').volumes?.find(({ name }) => name === 'tls')?.secret?.secretName).toBe('gate-sluice-tls')
  })
})

describe('the notes', () => {
  /** Helm 4 shows them without a cluster. */
  const notes = async (values: Values = {}, files: string[] = []): Promise<string> => {
    const args = files.flatMap((file) => ['--values', file])
    const { stdout, stderr, code } = await helm(
      'helm4',
      ['install', 'gate', CHART, '--namespace', 'mail', '--dry-run=client', ...args],
      values,
    )
    if (code !== 0) throw new Error(stderr)
    return stdout.slice(stdout.indexOf('\nNOTES:\n'))
  }

  it('say how to send the first mail, and where it lands', async () => {
    const said = await notes()
    // Within the pod: its NetworkPolicy does not let it out to its own Service.
    expect(said).toContain('exec deploy/gate-sluice-ingress -- sluice send --server 127.0.0.1:2525 --to me@sluice.test\n')
    expect(said).toContain('exec gate-sluice-mailbox-0 -- ls /data/mail/sluice.test/me/new\n')
    expect(said).toContain('takes mail for me@sluice.test, and for nobody else')
    expect(said).toContain('keeps the volumes of Redis and the mailboxes')
  })

  it('say nothing of sending where no listener takes mail without a log-in', async () => {
    const said = await notes({ ...TLS, listeners: { smtp: { enabled: false } }, test: { enabled: false } })
    expect(said).not.toContain('sluice send')
    expect(said).toContain(':587  (submission)')
  })

  it('say at which addresses of nodes it is reached, and that these may hide clients', async () => {
    const service = { externalIPs: ['192.0.2.5', '192.0.2.6'], externalTrafficPolicy: 'Cluster' }
    const said = await notes({ ingress: { service } })
    expect(said).toContain('and, from outside, at 192.0.2.5, 192.0.2.6.\n')
    expect(said).toContain('nodes stand for clients')
    expect(said).not.toContain('Nobody outside')
  })

  it('say where the balancer is, and what is probably not meant', async () => {
    const said = await notes({
      config: {
        domains: [{ name: 'a.test', route: 'local' }],
        accounts: [{ address: 'anna@a.test', passwordHash: 'scrypt' }],
        resolver: { servers: ['10.0.0.1'] },
      },
      ingress: { service: { type: 'LoadBalancer', externalTrafficPolicy: 'Cluster' } },
      redis: { bundled: { persistence: { enabled: false } } },
    })
    expect(said).toContain('get service gate-sluice-ingress -o jsonpath=')
    for (const hint of [
      'config.hostname is empty',
      'no certificate',
      'nodes stand for clients',
      'all mail that waits is lost',
      'resolver.servers',
      'The passwordHash of anna@a.test',
    ]) {
      expect(said).toContain(hint)
    }
  })

  it.each(EXAMPLE_FILES)('have nothing to object to in the example %s', async (file) => {
    expect(await notes({}, [file])).not.toContain('Worth a look')
  })
})
