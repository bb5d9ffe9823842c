/**
 * An adapter for external metrics, as small as one can be: it brings `sluice_sessions_wanted` of a release from its spooler to the
 * HorizontalPodAutoscaler of the cluster. Users have prometheus-adapter for this. The cluster's own adapter, if it has one, is put
 * back in its place by `close`.
 */
import { createServer } from 'node:https'
import { createCertificate } from '@sluice/testkit'
import { eventually } from '../support/gateway.ts'
import { applyObjects, type Kube } from './kube.ts'

const API = 'external.metrics.k8s.io'
const NAME = `v1beta1.${API}`
const METRIC = 'sluice_sessions_wanted'
const SERVICE = 'test-metrics'

type Adapter = { close: () => Promise<void> }
type ApiService = { apiVersion: string; kind: string; metadata: { name: string }; spec: object }

const resources = {
  ...{ kind: 'APIResourceList', apiVersion: 'v1', groupVersion: `${API}/v1beta1` },
  resources: [{ name: METRIC, singularName: '', namespaced: true, kind: 'ExternalMetricValueList', verbs: ['get'] }],
}

/** What the spooler says, asked as kubectl would. */
const figure = async (kube: Kube): Promise<number> => {
  const path = `/api/v1/namespaces/${kube.namespace}/services/${kube.release}-spooler:9100/proxy/scaling`
  return (JSON.parse(await kube.cluster('get', '--raw', path)) as { sessions: number }).sessions
}

const valueList = async (kube: Kube): Promise<object> => {
  const item = { metricName: METRIC, metricLabels: {}, timestamp: new Date().toISOString(), value: String(await figure(kube)) }
  return { kind: 'ExternalMetricValueList', apiVersion: `${API}/v1beta1`, metadata: {}, items: [item] }
}

/** A Service without a selector leads to this machine. */
const objects = (kube: Kube, host: string, port: number): object[] => [
  { apiVersion: 'v1', kind: 'Service', metadata: { name: SERVICE }, spec: { ports: [{ port: 443, targetPort: port }] } },
  {
    ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4', ports: [{ port }] },
    metadata: { name: `${SERVICE}-1`, labels: { 'kubernetes.io/service-name': SERVICE } },
    endpoints: [{ addresses: [host] }],
  },
  {
    ...{ apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata: { name: NAME } },
    spec: {
      ...{ group: API, version: 'v1beta1', insecureSkipTLSVerify: true, groupPriorityMinimum: 100, versionPriority: 100 },
      service: { name: SERVICE, namespace: kube.namespace, port: 443 },
    },
  },
]

/** Resolves when the one that was there before answers again: a namespace does not go while an API of the cluster is away. */
const putBack = async (kube: Kube, before: ApiService | null): Promise<void> => {
  if (before === null) await kube.cluster('delete', 'apiservice', NAME)
  else {
    const { apiVersion, kind, spec } = before
    await applyObjects(kube, [{ apiVersion, kind, metadata: { name: NAME }, spec }])
    const answer = (): Promise<string> => kube.cluster('get', '--raw', `/apis/${API}/v1beta1`)
    await eventually('the cluster’s own adapter', async () => !(await answer().catch(() => METRIC)).includes(METRIC), 60_000, 500)
  }
  await kube.kubectl('delete', `service/${SERVICE}`, `endpointslice/${SERVICE}-1`, '--ignore-not-found')
}

/** Resolves when the cluster has asked for the figure and got it. */
export const startExternalMetrics = async (kube: Kube, host: string): Promise<Adapter> => {
  const certificate = await createCertificate()
  const server = createServer({ key: certificate.key, cert: certificate.cert }, (request, response) => {
    const isFigure = URL.parse(request.url ?? '/', 'https://metrics.test')?.pathname.endsWith(`/${METRIC}`) === true
    const body = isFigure ? valueList(kube) : Promise.resolve(resources)
    body.then(
      (object) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(object)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    )
  })
  await new Promise<void>((resolve) => void server.listen(0, host, () => resolve()))
  const bound = server.address()
  const port = bound !== null && typeof bound === 'object' ? bound.port : 0
  const before = await kube.get<ApiService>('apiservice', NAME).catch(() => null)
  await applyObjects(kube, objects(kube, host, port))
  const path = `/apis/${API}/v1beta1/namespaces/${kube.namespace}/${METRIC}`
  await eventually('the figure, as the cluster sees it', () => kube.cluster('get', '--raw', path).catch(() => false), 60_000, 500)
  return {
    close: async () => {
      await putBack(kube, before)
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
