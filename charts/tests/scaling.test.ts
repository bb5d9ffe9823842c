/** How many pods: by sessions wanted, or by CPU; and who looks at the figures. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { find, findCustom, podOf } from './support/objects.ts'
import { CHART, type KubernetesObject, names, render } from './support/render.ts'

const agents = (deliveryAgent: object, config: object = {}) => render({ deliveryAgent, config })

describe('delivery-agents', () => {
  it('are as many as the values say, without autoscaling', async () => {
    expect(find(await agents({ replicas: 3 }), 'Deployment', 'delivery-agent').spec?.replicas).toBe(3)
  })

  it('are scaled by KEDA, which asks the spooler for the sessions that are wanted', async () => {
    const objects = await agents({ autoscaling: { via: 'keda', maxReplicas: 8 } })
    expect(findCustom(objects, 'ScaledObject').spec).toMatchObject({
      scaleTargetRef: { kind: 'Deployment', name: 'gate-sluice-delivery-agent' },
      minReplicaCount: 2,
      maxReplicaCount: 8,
      triggers: [
        {
          type: 'metrics-api',
          metricType: 'AverageValue',
          metadata: {
            url: 'http://gate-sluice-spooler.mail.svc.cluster.local:9100/scaling',
            valueLocation: 'sessions',
            targetValue: '40',
          },
        },
      ],
    })
    expect(find(objects, 'Deployment', 'delivery-agent').spec).not.toHaveProperty('replicas')
    expect(find(objects, 'Service', 'spooler').spec?.ports).toMatchObject([{ port: 9100 }])
  })

  it('are scaled by an HPA on the same figure, from Prometheus', async () => {
    const objects = await agents({ autoscaling: { via: 'hpa', metricSelector: { namespace: 'mail' } } })
    expect(find(objects, 'HorizontalPodAutoscaler', 'delivery-agent').spec).toMatchObject({
      minReplicas: 2,
      maxReplicas: 10,
      metrics: [
        {
          type: 'External',
          external: {
            metric: { name: 'sluice_sessions_wanted', selector: { matchLabels: { namespace: 'mail' } } },
            target: { type: 'AverageValue', averageValue: '40' },
          },
        },
      ],
    })
    expect(names(objects, 'ScaledObject')).toEqual([])
  })

  it.each([
    ['80 % of what one agent holds', {}, { delivery: { sessions: 200 } }, '160'],
    ['what the values say', { sessionsPerAgent: 10 }, {}, '10'],
    [
      'what the values say, wherever agents have theirs from,',
      { sessionsPerAgent: 30 },
      { delivery: { sessions: `\${N}` } },
      '30',
    ],
  ])('count %s sessions for each', async (_, autoscaling, config, target) => {
    const objects = await agents({ autoscaling: { via: 'keda', ...autoscaling } }, config)
    const { triggers } = findCustom(objects, 'ScaledObject').spec as { triggers: { metadata: { targetValue: string } }[] }
    expect(triggers[0]?.metadata.targetValue).toBe(target)
  })
})

describe('ingress', () => {
  it('is scaled by CPU', async () => {
    const objects = await render({ ingress: { autoscaling: { enabled: true, minReplicas: 3, maxReplicas: 9 } } })
    expect(find(objects, 'HorizontalPodAutoscaler', 'ingress').spec).toMatchObject({
      minReplicas: 3,
      maxReplicas: 9,
      metrics: [
        {
          type: 'ContainerResource',
          containerResource: { name: 'cpu', container: 'ingress', target: { type: 'Utilization', averageUtilization: 70 } },
        },
      ],
    })
    expect(find(objects, 'Deployment', 'ingress').spec).not.toHaveProperty('replicas')
  })
})

describe('figures', () => {
  const chosen = (objects: KubernetesObject[], labels: Record<string, string>): string[] =>
    ['ingress', 'spooler', 'delivery-agent', 'mailbox', 'redis'].filter((name) => {
      const own = podOf(objects, name).labels
      return Object.entries(labels).every(([key, value]) => own[key] === value)
    })

  const SERVICES = ['ingress', 'spooler', 'delivery-agent', 'mailbox']

  it('are read from every service’s pods, by a PodMonitor', async () => {
    const objects = await render({
      monitoring: { podMonitor: { enabled: true, labels: { release: 'prometheus' }, interval: '15s' } },
    })
    const monitor = findCustom(objects, 'PodMonitor')
    const { selector } = monitor.spec as { selector: { matchLabels: Record<string, string> } }
    expect(chosen(objects, selector.matchLabels)).toEqual(SERVICES)
    expect(monitor.metadata.labels.release).toBe('prometheus')
    expect(monitor.spec).toMatchObject({ podMetricsEndpoints: [{ port: 'http', path: '/metrics', interval: '15s' }] })
  })

  it('are read through a Service, by a ServiceMonitor', async () => {
    const objects = await render({ monitoring: { serviceMonitor: { enabled: true } } })
    const { spec } = findCustom(objects, 'ServiceMonitor')
    const { selector } = spec as { selector: { matchLabels: Record<string, string> } }
    // Alerts go by the label `service` that the figures have.
    expect(spec).toMatchObject({ endpoints: [{ port: 'http', honorLabels: true }] })
    const service = find(objects, 'Service', 'metrics')
    expect(service.metadata?.labels).toMatchObject(selector.matchLabels)
    expect(service.spec).toMatchObject({ clusterIP: 'None', publishNotReadyAddresses: true })
    expect(chosen(objects, service.spec?.selector ?? {})).toEqual(SERVICES)
  })
})

type Alert = { alert?: string; labels?: Record<string, string>; annotations?: Record<string, string> }

const alertsOf = (objects: KubernetesObject[]): Alert[] =>
  (findCustom(objects, 'PrometheusRule').spec as { groups: { rules: Alert[] }[] }).groups.flatMap(({ rules }) => rules)

describe('alerts and dashboards', () => {
  it('are the files of the chart, as they stand there', async () => {
    const objects = await render({ monitoring: { prometheusRule: { enabled: true } } })
    const alerts = alertsOf(objects)
    expect(alerts.length).toBeGreaterThan(5)
    // Prometheus' own templates are not Helm's.
    expect(alerts.some(({ annotations }) => annotations?.summary?.includes('{{ $labels.'))).toBe(true)
  })

  it('may be left out by name, and get labels of yours', async () => {
    const all = alertsOf(await render({ monitoring: { prometheusRule: { enabled: true } } }))
    const [first] = all.flatMap(({ alert }) => (alert === undefined ? [] : [alert]))
    const prometheusRule = { enabled: true, disabled: [first], alertLabels: { team: 'mail' } }
    const some = alertsOf(await render({ monitoring: { prometheusRule } }))
    expect(some).toHaveLength(all.length - 1)
    expect(
      some.every(({ alert, labels }) => alert === undefined || (labels?.team === 'mail' && labels.severity !== undefined)),
    ).toBe(true)
  })

  it('one ConfigMap for each dashboard, with the label that Grafana’s sidecar looks for', async () => {
    const files = await readdir(join(CHART, 'dashboards')).catch(() => [])
    const objects = await render({ monitoring: { dashboards: { enabled: true, annotations: { folder: 'Mail' } } } })
    const maps = objects.filter(({ metadata }) => metadata.labels.grafana_dashboard === '1')
    expect(maps.flatMap(({ data }) => Object.keys(data)).toSorted()).toEqual(files.toSorted())
    for (const { data, metadata } of maps) {
      expect(metadata.annotations).toEqual({ folder: 'Mail' })
      for (const text of Object.values(data)) expect(JSON.parse(text)).toHaveProperty('panels')
    }
  })
})
