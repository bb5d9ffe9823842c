/** The values of the services. A new service has a function here, a folder of templates, and its line in schema.ts. */
import { z } from 'zod'
import { choice, count, countOrNull, flag, labels, list, object, port, section, text, texts } from './parts.ts'
import { additions, life, persistence, placement, probes, resources, serviceAccount } from './pods.ts'

const HEALTH = [
  { periodSeconds: 1, failureThreshold: 120 },
  { periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 2 },
  { periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
] as const

type Life = Parameters<typeof life>[0]

/** What every service has. */
const common = (options: Life & { requests: Record<string, string>; memory: string }) => ({
  image: text('', 'A whole image reference, instead of the one made from `image` at the top level.'),
  resources: resources(options.requests, options.memory),
  annotations: labels('Annotations of the Deployment or StatefulSet.'),
  ...placement(),
  topologySpreadConstraints: z
    .array(z.looseObject({}))
    .nullable()
    .default(null)
    .describe(
      'How pods are spread. Empty: over nodes, and zones by a preferred anti-affinity, as far as that can be done; `[]`: not at all.',
    )
    .meta({ type: 'list of TopologySpreadConstraint' }),
  serviceAccount: serviceAccount(),
  ...life(options),
  ...probes(...HEALTH),
  pdb: section(
    {
      enabled: flag(true, 'Make one.'),
      maxUnavailable: z
        .union([z.int(), z.string()])
        .nullable()
        .default(1)
        .describe('So many may be away at once.')
        .meta({ type: 'number or percentage' }),
      minAvailable: z
        .union([z.int(), z.string()])
        .nullable()
        .default(null)
        .describe('So many stay, instead of `maxUnavailable`.')
        .meta({ type: 'number or percentage' }),
    },
    'The PodDisruptionBudget: how many pods a drain of nodes may take at once.',
  ),
  dnsPolicy: text('', 'How names are looked up.'),
  dnsConfig: object('PodDNSConfig', 'More of the same.'),
  hostAliases: list('HostAlias', 'Lines of /etc/hosts.'),
  initContainers: list('Container', 'Containers that run before.'),
  extraEnvFrom: list('EnvFromSource', 'Environment variables from ConfigMaps and Secrets.'),
  ...additions(),
})

const deployment = () => ({
  replicas: count(2, 'Pods, unless autoscaling says how many.'),
  strategy: object('DeploymentStrategy', 'How pods are replaced: by default a new one is ready before an old one goes.', {
    type: 'RollingUpdate',
    rollingUpdate: { maxUnavailable: 0, maxSurge: 1 },
  }),
  minReadySeconds: count(0, 'A new pod counts as available after being ready for so long.'),
})

const bounds = (least: number, most: number) => ({
  minReplicas: count(least, 'The fewest pods.', 1),
  maxReplicas: count(most, 'The most pods.', 1),
})

const behavior = (down: object) =>
  object('HorizontalPodAutoscalerBehavior', 'How quickly pods are added and taken away.', {
    scaleUp: { stabilizationWindowSeconds: 0, policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] },
    scaleDown: down,
  })

const portsByListener = (about: string) =>
  section(Object.fromEntries(['smtp', 'submission', 'submissions'].map((name) => [name, countOrNull(`For ${name}.`, 1)])), about)

const balancer = () =>
  section(
    {
      type: choice(
        ['ClusterIP', 'NodePort', 'LoadBalancer'],
        'ClusterIP',
        'How it is exposed. ClusterIP: inside the cluster only.',
      ),
      annotations: labels('Annotations, such as those that choose a cloud’s balancer.'),
      externalTrafficPolicy: choice(
        ['Local', 'Cluster'],
        'Local',
        'Where the Service is exposed, by its type or `externalIPs`: `Local` keeps the client’s address; `Cluster` hides it, unless the balancer speaks the PROXY protocol (`proxyProtocol`).',
      ),
      loadBalancerClass: text('', 'Which balancer.'),
      loadBalancerIP: text('', 'Its address, where the balancer heeds this.'),
      loadBalancerSourceRanges: texts('Networks that the balancer lets in.'),
      externalIPs: texts('Addresses of nodes at which it is reached, too.'),
      clusterIP: text('', 'Its address inside the cluster.'),
      ipFamilyPolicy: text('', 'SingleStack, PreferDualStack or RequireDualStack.'),
      ipFamilies: texts('IPv4, IPv6.'),
      nodePorts: portsByListener('Ports of the nodes, for NodePort and LoadBalancer. Empty: any.'),
    },
    'The Service in front of ingress. Clients find it at the ports of `listeners`.',
  )

export const ingress = () =>
  section(
    {
      ...deployment(),
      ...common({
        requests: { cpu: '100m', memory: '128Mi' },
        memory: '512Mi',
        preStopSeconds: 5,
        shutdownGraceSeconds: 60,
        graceText: 'After SIGTERM: transactions that run get this long to end.',
      }),
      service: balancer(),
      hostPorts: portsByListener('Ports of the nodes themselves, without a balancer. They keep the client’s address.'),
      autoscaling: section(
        {
          enabled: flag(false, 'A HorizontalPodAutoscaler.'),
          ...bounds(2, 10),
          targetCPUUtilizationPercentage: count(70, 'Of the CPU that `resources.requests` asks for.', 1),
          behavior: behavior({ stabilizationWindowSeconds: 300 }),
        },
        'How many pods, by CPU.',
      ),
    },
    'ingress: takes mail by SMTP, and answers 250 when it is safe.',
  )

export const spooler = () =>
  section(
    {
      ...deployment(),
      ...common({
        requests: { cpu: '50m', memory: '128Mi' },
        memory: '512Mi',
        preStopSeconds: 0,
        shutdownGraceSeconds: 30,
        graceText: 'After SIGTERM: what is in hand gets this long to end.',
      }),
    },
    'spooler: decides when mail may be delivered. Any number may run; two are for safety, more bring nothing.',
  )

export const deliveryAgent = () =>
  section(
    {
      ...deployment(),
      ...common({
        requests: { cpu: '100m', memory: '160Mi' },
        memory: '512Mi',
        preStopSeconds: 0,
        shutdownGraceSeconds: null,
        graceText:
          'After SIGTERM: content that is under way and its reply get this long, conversations that have not come so far 30 seconds at most. Empty: `config.delivery.timeouts.dot` and half a minute, so that no far end’s final reply is missed.',
      }),
      autoscaling: section(
        {
          via: choice(
            ['none', 'keda', 'hpa'],
            'none',
            '`keda`: a ScaledObject that asks the spooler. `hpa`: a HorizontalPodAutoscaler on the external metric `sluice_sessions_wanted`, which an adapter must bring from Prometheus.',
          ),
          ...bounds(2, 10),
          sessionsPerAgent: countOrNull('Sessions for which one agent is wanted. Empty: 80 % of `config.delivery.sessions`.', 1),
          pollingInterval: count(15, 'keda: seconds between questions.', 1),
          fallback: object(
            'fallback of a ScaledObject',
            'keda: what holds while the spooler does not answer. `behavior` needs KEDA 2.17 or newer.',
            {
              failureThreshold: 3,
              replicas: 2,
              behavior: 'currentReplicas',
            },
          ),
          metricSelector: labels('hpa: labels that choose this gateway’s figure among others.'),
          behavior: behavior({
            stabilizationWindowSeconds: 300,
            policies: [{ type: 'Percent', value: 50, periodSeconds: 60 }],
          }),
        },
        'How many pods: sessions wanted (open, and due and permitted) / `sessionsPerAgent`, rounded up, within the bounds. Never by backlog.',
      ),
    },
    'delivery-agent: delivers.',
  )

export const mailbox = () =>
  section(
    {
      ...common({
        requests: { cpu: '50m', memory: '96Mi' },
        memory: '384Mi',
        preStopSeconds: 0,
        shutdownGraceSeconds: 60,
        graceText: 'After SIGTERM: transactions that run get this long to end.',
      }),
      persistence: persistence('8Gi', 'The volume with the users’ folders. It stays when the release is deleted.'),
    },
    'mailbox: keeps local mail. One pod, made only when the config has a route of type `local`, or a domain with `route: local`.',
  )

const listener = (name: string, at: number, auth: 'off' | 'required') =>
  section(
    {
      enabled: flag(true, name === 'smtp' ? 'Listen.' : 'Listen, once there is a certificate (`tls`).'),
      port: port(at, 'The port of the Service. Containers listen on 2525, 2587 and 2465.'),
      auth: choice(['off', 'optional', 'required'], auth, 'Log-in of accounts; offered only under TLS.'),
    },
    {
      smtp: 'SMTP, with STARTTLS.',
      submission: 'Submission, with STARTTLS.',
      submissions: 'Submission, TLS from the first byte.',
    }[name] as string,
  )

export const listeners = () =>
  section(
    {
      smtp: listener('smtp', 25, 'off'),
      submission: listener('submission', 587, 'required'),
      submissions: listener('submissions', 465, 'required'),
    },
    'Where mail comes in. Their names are for `classes` of the config, too.',
  )
