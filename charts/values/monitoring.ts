/** The values that say who looks at the gateway, and who may speak with whom. */
import { z } from 'zod'
import { count, flag, labels, list, object, section, text, texts } from './parts.ts'
import { resources } from './pods.ts'

const monitor = (kind: string) =>
  section(
    {
      enabled: flag(false, `Make a ${kind} of the Prometheus operator.`),
      labels: labels('Labels by which Prometheus chooses it.'),
      interval: text('30s', 'How often the figures are read.'),
      scrapeTimeout: text('10s', 'For one answer.'),
      relabelings: list('RelabelConfig', 'Changes to the labels of targets.'),
      metricRelabelings: list('RelabelConfig', 'Changes to the labels of figures.'),
    },
    `Has Prometheus read the figures: ${kind === 'PodMonitor' ? 'from the pods' : 'through a Service, instead'}.`,
  )

export const monitoring = () =>
  section(
    {
      podMonitor: monitor('PodMonitor'),
      serviceMonitor: monitor('ServiceMonitor'),
      prometheusRule: section(
        {
          enabled: flag(false, 'Make a PrometheusRule of the alerts in the folder alerts.'),
          labels: labels('Labels by which Prometheus chooses it.'),
          alertLabels: labels('Labels that every alert gets.'),
          disabled: texts('Names of alerts to leave out.'),
          runbookUrl: text(
            '',
            'Where you keep the pages of docs/runbooks: `https://git.example.org/sluice/blob/main/docs/runbooks`. Alerts then have `runbook_url`, this and `/NAME.md`. Empty: only `runbook`, the path of the page in the sources.',
          ),
        },
        'Alerts.',
      ),
      dashboards: section(
        {
          enabled: flag(false, 'Make a ConfigMap of each dashboard in the folder dashboards.'),
          labels: labels('Labels by which Grafana’s sidecar finds them.', { grafana_dashboard: '1' }),
          annotations: labels('Annotations, such as the folder in Grafana.'),
        },
        'Dashboards for Grafana.',
      ),
    },
    'Figures, alerts, dashboards.',
  )

export const tracing = () =>
  section(
    {
      endpoint: text('', 'Where traces go by OTLP: `http://collector.example:4318`. Empty: nowhere.'),
      protocol: text('http/protobuf', 'OTLP’s protocol.'),
    },
    'Traces. `config.tracing` says how many.',
  )

export const networkPolicy = () =>
  section(
    {
      enabled: flag(true, 'Allow what the drawing shows, and nothing else. A network plugin must enforce it.'),
      clients: list('NetworkPolicyPeer', 'Who may hand in mail. Empty: everybody.'),
      metrics: list('NetworkPolicyPeer', 'Who may read figures and the scaling figure.', [{ namespaceSelector: {} }]),
      dns: list(
        'NetworkPolicyPeer',
        'Who answers questions for names, besides `config.resolver.servers`. Empty: anybody, on ports 53 and 5353 (OpenShift) and theirs.',
      ),
      redis: list('NetworkPolicyPeer', 'Where a Redis outside the chart is. Empty: anywhere, on its ports.'),
      redisPorts: z
        .array(z.int().min(1).max(65_535))
        .default([])
        .describe(
          'Ports of a Redis outside the chart. Empty: those of `redis.external`, and 6379 for what Sentinels name. A Cluster’s nodes that it does not name may listen on others.',
        ),
      content: list(
        'NetworkPolicyPeer',
        'Where the bucket of `config.content.s3` is. Empty: anywhere, on the port of its endpoint. Where that is a Service whose pods listen on another port, allow this one by `extraEgress`.',
      ),
      traces: list('NetworkPolicyPeer', 'Where the collector of `tracing.endpoint` is. Empty: anywhere, on its port.'),
      farEnds: list('NetworkPolicyPeer', 'Where mail may be delivered. Empty: anywhere, on the ports of the routes.'),
      extraIngress: list('NetworkPolicyIngressRule', 'More that may come in, for all services and the bundled Redis.'),
      extraEgress: list('NetworkPolicyEgressRule', 'More that may go out, for all services and the bundled Redis.'),
    },
    'NetworkPolicies.',
  )

export const test = () =>
  section(
    {
      enabled: flag(
        true,
        'Make `helm test` possible. The gateway knows one more domain for it, with a name that nobody can guess, which leads to the test’s own sink.',
      ),
      timeoutSeconds: count(120, 'For mail and notice to arrive.', 1),
      resources: resources({ cpu: '50m', memory: '64Mi' }, '128Mi'),
    },
    '`helm test`: a mail through ingress to a sink and back, and one that is refused, with its notice.',
  )

export const hooks = () =>
  section(
    {
      timeoutSeconds: count(120, 'The longest that one may take.', 1),
      resources: resources({ cpu: '50m', memory: '64Mi' }, '128Mi'),
      podAnnotations: labels(
        'Annotations of their pods. A mesh’s proxy that stays would keep them from ever ending: `sidecar.istio.io/inject: "false"`.',
      ),
      podLabels: labels('Labels of their pods, besides the chart’s own.'),
      nodeSelector: labels('Nodes on which they may run.'),
      affinity: object('Affinity', 'Nearer to or farther from nodes and pods.'),
      tolerations: list('Toleration', 'Taints that they bear.'),
      priorityClassName: text('', 'A PriorityClass.'),
      networkPolicy: flag(true, 'Let them reach the API server where NetworkPolicies are enforced.'),
    },
    'The Jobs that make and remove the Secret with passwords that nobody chose, and the pod of `helm test`.',
  )
