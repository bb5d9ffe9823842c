/** How pods run, start and stop. */
import type { IPodTemplateSpec } from 'kubernetes-models/v1'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { EVERYTHING } from './support/cases.ts'
import { containerOf, find, findCustom, podOf, SERVICES } from './support/objects.ts'
import { CHART, HELMS, helm, type KubernetesObject, names, render } from './support/render.ts'

const ALL = [...SERVICES, 'redis']

/** Every pod that the chart makes, those of Jobs and of the test, too. */
const podSpecs = (objects: KubernetesObject[]) =>
  objects.flatMap(({ kind, spec }): { containers: Record<string, unknown>[]; [key: string]: unknown }[] => {
    if (kind === 'Pod') return [spec as never]
    return ['Deployment', 'StatefulSet', 'Job'].includes(kind)
      ? [(spec as never as { template: { spec: never } }).template.spec]
      : []
  })

describe('every pod', () => {
  it('is nobody special, writes nothing but to its volumes, and may do nothing', async () => {
    const specs = podSpecs(await render())
    expect(specs).toHaveLength(8)
    for (const { securityContext, containers } of specs) {
      expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
      for (const container of containers) {
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        })
        expect(container.resources).toMatchObject({
          requests: { cpu: expect.any(String) },
          limits: { memory: expect.any(String) },
        })
      }
    }
  })

  it('has no token of the API, but for the two Jobs that need one', async () => {
    const objects = await render()
    const withToken = podSpecs(objects).filter((spec) => spec.automountServiceAccountToken !== false)
    expect(withToken.map(({ serviceAccountName }) => serviceAccountName)).toEqual([
      'gate-sluice-make-secrets',
      'gate-sluice-remove-secrets',
    ])
  })
})

describe('a service', () => {
  it.each(SERVICES)('%s says whether it lives, and whether it can work', async (service) => {
    const container = containerOf(await render(), service)
    expect(container.startupProbe).toMatchObject({ httpGet: { path: '/healthz', port: 'http' } })
    expect(container.livenessProbe).toMatchObject({ httpGet: { path: '/healthz', port: 'http' } })
    expect(container.readinessProbe).toMatchObject({ httpGet: { path: '/readyz', port: 'http' } })
    expect(container.ports).toContainEqual({ name: 'http', containerPort: 9100 })
  })

  it('spreads over nodes and zones, and keeps a pod during drains', async () => {
    const objects = await render()
    const { topologySpreadConstraints, affinity } = podOf(objects, 'ingress')
    // By name of the node alone: a second constraint would take nodes without a zone out of the reckoning. And by the pods of one
    // version: counted together with the old ones, all the new pods of an upgrade may come to one node.
    const own = { matchLabels: { 'app.kubernetes.io/component': 'ingress' } }
    expect(topologySpreadConstraints).toMatchObject([
      { topologyKey: 'kubernetes.io/hostname', matchLabelKeys: ['pod-template-hash'], labelSelector: own },
    ])
    expect(affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution).toMatchObject([
      { podAffinityTerm: { topologyKey: 'topology.kubernetes.io/zone', labelSelector: own } },
    ])
    expect(find(objects, 'PodDisruptionBudget', 'ingress').spec).toMatchObject({ maxUnavailable: 1 })
    const other = await render({ ingress: { pdb: { minAvailable: 1, maxUnavailable: null }, topologySpreadConstraints: [] } })
    expect(find(other, 'PodDisruptionBudget', 'ingress').spec).not.toHaveProperty('maxUnavailable')
    expect(podOf(other, 'ingress')).not.toHaveProperty('topologySpreadConstraints')
    expect(podOf(other, 'ingress')).not.toHaveProperty('affinity')
    const placed = await render({ ingress: { affinity: { nodeAffinity: {} } } })
    expect(podOf(placed, 'ingress').affinity).toEqual({ nodeAffinity: {} })
  })

  it.each(ALL)('%s takes all that can be added to it', async (component) => {
    const objects = await render(EVERYTHING)
    const pod = podOf(objects, component)
    expect(pod).toMatchObject({
      priorityClassName: 'mail',
      runtimeClassName: 'gvisor',
      nodeSelector: { 'kubernetes.io/os': 'linux' },
    })
    expect(pod.labels).toMatchObject({ tier: 'mail', owner: 'postmaster' })
    expect(pod.containers.map(({ name }) => name)).toEqual([component, 'beside'])
    expect(pod.volumes).toContainEqual({ name: 'more', emptyDir: {} })
    expect(containerOf(objects, component).volumeMounts).toContainEqual({ name: 'more', mountPath: '/more' })
    expect(containerOf(objects, component).env).toContainEqual({ name: 'REGION', value: 'eu' })
    expect(pod.imagePullSecrets).toEqual([{ name: 'registry' }])
  })

  it('tells the collector of traces, when there is one', async () => {
    const env = containerOf(await render(EVERYTHING), 'spooler').env
    expect(env).toContainEqual({ name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: 'http://collector.tracing:4318' })
    expect(containerOf(await render(), 'spooler').env?.map(({ name }) => name)).toEqual(['SLUICE_CONFIG', 'SLUICE_DATA'])
  })

  it('keeps selectors and pod labels the same from one version of the chart to the next', async () => {
    const objects = await render()
    expect(Object.keys(podOf(objects, 'ingress').labels).toSorted()).toEqual([
      'app.kubernetes.io/component',
      'app.kubernetes.io/instance',
      'app.kubernetes.io/name',
      'app.kubernetes.io/part-of',
      'sluice/metrics',
    ])
  })
})

describe('labels of the values', () => {
  const wrong = {
    'app.kubernetes.io/name': 'other',
    'app.kubernetes.io/instance': 'other',
    'app.kubernetes.io/component': 'other',
    'sluice/metrics': 'no',
  }
  const common = { ...wrong, 'app.kubernetes.io/managed-by': 'other', 'app.kubernetes.io/part-of': 'platform', owner: 'us' }
  const pods = { podLabels: { ...wrong, tier: 'mail' } }
  const values = {
    commonLabels: common,
    monitoring: { podMonitor: { enabled: true } },
    redis: { bundled: pods },
    hooks: pods,
    ...Object.fromEntries(['ingress', 'spooler', 'deliveryAgent', 'mailbox'].map((name) => [name, pods])),
  }

  it('give way to the chart’s own, by which pods are chosen; `part-of` is yours', async () => {
    const objects = await render(values)
    for (const component of ALL) {
      expect(podOf(objects, component).labels, component).toMatchObject({
        'app.kubernetes.io/name': 'sluice',
        'app.kubernetes.io/instance': 'gate',
        'app.kubernetes.io/component': component,
        'app.kubernetes.io/part-of': 'platform',
        owner: 'us',
        tier: 'mail',
      })
    }
    for (const { metadata } of objects)
      expect(metadata.labels).toMatchObject({ 'app.kubernetes.io/instance': 'gate', 'app.kubernetes.io/managed-by': 'Helm' })
    const { matchLabels } = (findCustom(objects, 'PodMonitor').spec as { selector: { matchLabels: object } }).selector
    for (const service of SERVICES) expect(podOf(objects, service).labels).toMatchObject(matchLabels)
  })

  it.each(HELMS)('stand nowhere twice: %s', async (which) => {
    const { stdout, code } = await helm(which, ['template', 'gate', CHART, '--namespace', 'mail'], values)
    expect(code).toBe(0)
    const problems = parseAllDocuments(stdout, { uniqueKeys: true }).flatMap(({ errors }) => errors)
    expect(problems).toEqual([])
  })
})

describe('the pods of hooks', () => {
  it('have labels and annotations of yours, so that a mesh lets them end', async () => {
    const podAnnotations = { 'sidecar.istio.io/inject': 'false' }
    const objects = await render({ hooks: { podAnnotations, podLabels: { mesh: 'none' } } })
    const templates = objects.flatMap(({ kind, spec }) => (kind === 'Job' ? [spec.template as IPodTemplateSpec] : []))
    expect(templates).toHaveLength(2)
    for (const { metadata } of templates) {
      expect(metadata?.annotations).toEqual(podAnnotations)
      expect(metadata?.labels).toMatchObject({ mesh: 'none', 'app.kubernetes.io/component': 'secrets' })
    }
    const { metadata } = find(objects, 'Pod', 'test')
    expect(metadata?.annotations).toMatchObject({ ...podAnnotations, 'helm.sh/hook': 'test' })
    expect(metadata?.labels).toMatchObject({ mesh: 'none', 'app.kubernetes.io/component': 'test' })
    expect(find(objects, 'Service', 'test').metadata?.labels).not.toHaveProperty('mesh')
  })
})

describe('the end of a pod', () => {
  const lives = async (values: object, component: string) => {
    const objects = await render({ ...values })
    const [grace = ''] = /shutdownGrace: (\S+)/.exec(JSON.stringify(find(objects, 'ConfigMap', component).data)) ?? []
    const { terminationGracePeriodSeconds } = podOf(objects, component)
    return { grace, terminationGracePeriodSeconds, preStop: containerOf(objects, component).lifecycle?.preStop }
  }

  it('of ingress waits until balancers have heard of it, then for transactions', async () => {
    expect(await lives({}, 'ingress')).toEqual({
      grace: expect.stringContaining('60s'),
      terminationGracePeriodSeconds: 80,
      preStop: { sleep: { seconds: 5 } },
    })
  })

  it('of a delivery-agent waits for the reply to a final dot, as long as the config does', async () => {
    const agent = { preStop: undefined, grace: expect.stringContaining('630s'), terminationGracePeriodSeconds: 645 }
    expect(await lives({}, 'delivery-agent')).toEqual(agent)
    const quicker = await lives({ config: { delivery: { timeouts: { dot: '90s' } } } }, 'delivery-agent')
    expect(quicker).toMatchObject({ grace: expect.stringContaining('120s'), terminationGracePeriodSeconds: 135 })
  })

  it('is as the values say, where they say it', async () => {
    const values = { spooler: { shutdownGraceSeconds: 10, preStopSeconds: 2, terminationGracePeriodSeconds: 20 } }
    expect(await lives(values, 'spooler')).toEqual({
      grace: expect.stringContaining('10s'),
      terminationGracePeriodSeconds: 20,
      preStop: { sleep: { seconds: 2 } },
    })
  })
})

describe('the mailbox', () => {
  it('is there only when mail is kept here', async () => {
    const relay = { config: { routes: [{ name: 'world', match: ['*'], type: 'mx' }] } }
    expect(names(await render(relay), 'StatefulSet')).toEqual(['gate-sluice-redis'])
    const named = { config: { domains: [{ name: 'a.test', route: 'local', catchAll: 'b@c.test' }] } }
    expect(names(await render(named), 'StatefulSet')).toContain('gate-sluice-mailbox')
  })

  it('is one pod with a volume that stays', async () => {
    const { spec } = find(await render(), 'StatefulSet', 'mailbox')
    expect(spec).toMatchObject({ replicas: 1, persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain' } })
    expect(spec?.volumeClaimTemplates?.[0]?.spec?.accessModes).toEqual(['ReadWriteOnce'])
  })
})
