/**
 * All values of the chart as one zod schema: the only description there is. values.yaml, values.schema.json and the table in
 * README.md are made from it (`npm run docs`).
 */
import { z } from 'zod'
import { hooks, monitoring, networkPolicy, test, tracing } from './monitoring.ts'
import { choice, count, flag, labels, object, section, text, texts } from './parts.ts'
import { RESTRICTED_CONTAINER, RESTRICTED_POD } from './pods.ts'
import { redis } from './redis.ts'
import { deliveryAgent, ingress, listeners, mailbox, spooler } from './services.ts'

const image = () =>
  section(
    {
      registry: text('', 'Before the repository: `registry.example.org`.'),
      repository: text('sluice', 'Before the name of the service: `[REGISTRY/]REPOSITORY/SERVICE:TAG`.'),
      tag: text('', 'One tag for all. Empty: the chart’s appVersion.'),
      pullPolicy: choice(['Always', 'IfNotPresent', 'Never'], 'IfNotPresent', 'When images are fetched.'),
      pullSecrets: texts('Names of Secrets for the registry.'),
    },
    'The images of the services.',
  )

const tls = () =>
  section(
    {
      existingSecret: text('', 'A Secret of type kubernetes.io/tls, with tls.crt and tls.key.'),
      certManager: section(
        {
          enabled: flag(false, 'Have cert-manager make the certificate.'),
          issuerRef: object('ObjectReference', 'Its issuer: `{ name: letsencrypt, kind: ClusterIssuer }`.'),
          dnsNames: texts('Names in it. Empty: `config.hostname`.'),
          duration: text('', 'How long it holds.'),
          renewBefore: text('', 'How long before its end it is renewed.'),
          privateKey: object('CertificatePrivateKey', 'Its key.', { rotationPolicy: 'Always' }),
        },
        'A Certificate of cert-manager, instead of `existingSecret`.',
      ),
    },
    'The certificate of the listeners. It may change while the gateway runs. Without one there is no STARTTLS, and no log-in.',
  )

export const valuesSchema = z.strictObject({
  config: z
    .record(z.string(), z.unknown())
    .default({})
    .describe(
      'The gateway’s config, as docs/config.md has it: hostname, domains, routes and all else. Without domains, accounts and routes the gateway keeps mail for me@sluice.test. The chart itself sets `listeners`, `http`, `mailbox`, `shutdownGrace` and where Redis is. Files of a Secret are at `/etc/sluice/secrets/NAME/KEY`: naming one there mounts it. All else stands in ConfigMaps: prefer `passwordFile` to `passwordHash`, which whoever may read ingress’ ConfigMap reads, too.',
    )
    .meta({ type: 'config' }),
  listeners: listeners(),
  proxyProtocol: section(
    {
      trusted: texts(
        'Networks of the balancers. From them a PROXY header, version 1 or 2, is expected and believed; from others it is refused.',
      ),
    },
    'Balancers that tell the client’s address themselves.',
  ),
  tls: tls(),
  redis: redis(),
  image: image(),
  ingress: ingress(),
  spooler: spooler(),
  deliveryAgent: deliveryAgent(),
  mailbox: mailbox(),
  networkPolicy: networkPolicy(),
  monitoring: monitoring(),
  tracing: tracing(),
  test: test(),
  hooks: hooks(),
  podSecurityContext: object('PodSecurityContext', 'Of all pods but Redis’, which runs as its own user.', RESTRICTED_POD),
  securityContext: object('SecurityContext', 'Of all containers.', RESTRICTED_CONTAINER),
  nameOverride: z
    .string()
    .max(63)
    .regex(/^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$/)
    .default('')
    .describe('Instead of `sluice` in names.'),
  fullnameOverride: text('', 'Instead of release and name.'),
  commonLabels: labels('Labels of everything. The chart’s own win over them, but for `app.kubernetes.io/part-of`.'),
  commonAnnotations: labels('Annotations of everything.'),
  clusterDomain: text('cluster.local', 'The DNS domain of the cluster.'),
  listenAddress: text('[::]', 'Where containers listen: all addresses of both families. `0.0.0.0` where nodes have no IPv6.'),
  revisionHistoryLimit: count(5, 'Old ReplicaSets that are kept for a rollback.'),
  global: z.looseObject({}).default({}).describe('Of a chart around this one; not used.').meta({ type: 'any' }),
})
