/** Values that together use everything the templates can make; the judges of Kubernetes' types look at all of them. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { CHART, type Values } from './render.ts'

const EXAMPLES = join(CHART, 'examples')
export const EXAMPLE_FILES = readdirSync(EXAMPLES).map((name) => join(EXAMPLES, name))

const pods = {
  annotations: { 'example.org/team': 'mail' },
  podAnnotations: { 'example.org/note': 'yes' },
  podLabels: { tier: 'mail' },
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  affinity: {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [] }] } },
  },
  tolerations: [{ key: 'mail', operator: 'Exists', effect: 'NoSchedule' }],
  priorityClassName: 'mail',
  runtimeClassName: 'gvisor',
  serviceAccount: { annotations: { 'example.org/identity': 'mail' } },
  extraEnv: [{ name: 'REGION', value: 'eu' }],
  extraVolumes: [{ name: 'more', emptyDir: {} }],
  extraVolumeMounts: [{ name: 'more', mountPath: '/more' }],
  sidecars: [{ name: 'beside', image: 'example.org/beside:1' }],
}

const service = {
  ...pods,
  initContainers: [{ name: 'before', image: 'example.org/before:1' }],
  extraEnvFrom: [{ secretRef: { name: 'env' } }],
  hostAliases: [{ ip: '192.0.2.1', hostnames: ['far.example.org'] }],
  dnsPolicy: 'ClusterFirst',
  dnsConfig: { options: [{ name: 'ndots', value: '1' }] },
  topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }],
}

export const EVERYTHING: Values = {
  commonLabels: { owner: 'postmaster' },
  commonAnnotations: { 'example.org/contact': 'postmaster@example.org' },
  image: { registry: 'registry.example.org', tag: '1.2.3', pullSecrets: ['registry'] },
  config: {
    hostname: 'mx.example.org',
    domains: [
      { name: 'example.org', route: 'local', postmaster: 'anna@example.org' },
      { name: 'example.net', route: 'backend', recipients: 'any' },
    ],
    accounts: [{ address: 'anna@example.org', passwordFile: '/etc/sluice/secrets/accounts/anna' }],
    routes: [
      { name: 'local', type: 'local' },
      {
        name: 'backend',
        type: 'smtp',
        hosts: ['10.0.0.5:2526', { host: 'mail.example.net', port: 587 }],
        tls: 'verified',
        auth: { user: 'relay', passwordFile: '/etc/sluice/secrets/backend.example/password' },
      },
      { name: 'world', match: ['*'], type: 'mx' },
    ],
  },
  tls: { certManager: { enabled: true, issuerRef: { name: 'ca', kind: 'Issuer' }, duration: '2160h', renewBefore: '360h' } },
  ingress: {
    ...service,
    service: {
      type: 'LoadBalancer',
      nodePorts: { smtp: 30025 },
      loadBalancerSourceRanges: ['192.0.2.0/24'],
      ipFamilies: ['IPv4'],
    },
    autoscaling: { enabled: true },
  },
  spooler: service,
  deliveryAgent: { ...service, autoscaling: { via: 'keda' } },
  mailbox: service,
  redis: { bundled: { ...pods, extraConfig: 'loglevel warning' } },
  networkPolicy: {
    clients: [{ ipBlock: { cidr: '192.0.2.0/24' } }],
    extraEgress: [{ ports: [{ port: 9999 }] }],
    extraIngress: [{ ports: [{ port: 9998 }] }],
  },
  monitoring: {
    podMonitor: { enabled: true, labels: { release: 'prometheus' } },
    prometheusRule: { enabled: true, labels: { release: 'prometheus' }, alertLabels: { team: 'mail' } },
    dashboards: { enabled: true, annotations: { folder: 'Mail' } },
  },
  tracing: { endpoint: 'http://collector.tracing:4318' },
}

export const CLUSTER: Values = {
  config: { redis: { lanes: 16, wait: { replicas: 1 } } },
  redis: {
    external: {
      cluster: ['redis-0.data:6379', 'redis-1.data:6380'],
      user: 'sluice',
      existingSecret: 'redis',
      tls: { enabled: true, existingSecret: 'redis-tls', certKey: 'tls.crt', keyKey: 'tls.key' },
    },
  },
  deliveryAgent: { autoscaling: { via: 'hpa', metricSelector: { namespace: 'mail' } } },
  monitoring: { serviceMonitor: { enabled: true } },
  mailbox: { persistence: { enabled: false } },
  ingress: { service: { type: 'NodePort' } },
  test: { enabled: false },
}

export const HOST_PORTS: Values = {
  ingress: { hostPorts: { smtp: 25 }, strategy: { rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } } },
  redis: { bundled: { existingSecret: 'redis', persistence: { existingClaim: 'spool' } } },
  networkPolicy: { enabled: false },
  proxyProtocol: { trusted: ['10.0.0.0/8'] },
}
