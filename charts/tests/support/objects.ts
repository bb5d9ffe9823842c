/** Looks at rendered objects in Kubernetes' own types. */
import type { IDeployment, IStatefulSet } from 'kubernetes-models/apps/v1'
import type { IHorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2'
import type { IJob } from 'kubernetes-models/batch/v1'
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1'
import type { IRole } from 'kubernetes-models/rbac.authorization.k8s.io/v1'
import type { IConfigMap, IContainer, IPod, IPodSpec, IService } from 'kubernetes-models/v1'
import { parse } from 'yaml'
import type { KubernetesObject } from './render.ts'

type Kinds = {
  ConfigMap: IConfigMap
  Deployment: IDeployment
  HorizontalPodAutoscaler: IHorizontalPodAutoscaler
  Job: IJob
  NetworkPolicy: INetworkPolicy
  Pod: IPod
  PodDisruptionBudget: IPodDisruptionBudget
  Role: IRole
  Service: IService
  StatefulSet: IStatefulSet
}

export const SERVICES = ['ingress', 'spooler', 'delivery-agent', 'mailbox'] as const
export type ServiceName = (typeof SERVICES)[number]

/** The only object of this kind and name, which the release's name `gate-sluice-` begins. Throws when it is not there. */
export const find = <Kind extends keyof Kinds>(objects: KubernetesObject[], kind: Kind, name: string): Kinds[Kind] => {
  const [found] = objects.filter((one) => one.kind === kind && one.metadata.name === `gate-sluice-${name}`)
  if (found === undefined) throw new Error(`expected the ${kind} ${name}`)
  return found as unknown as Kinds[Kind]
}

/** Of kinds that Kubernetes itself does not have. */
export const findCustom = (objects: KubernetesObject[], kind: string): KubernetesObject => {
  const [found] = objects.filter((one) => one.kind === kind)
  if (found === undefined) throw new Error(`expected a ${kind}`)
  return found
}

const workloadOf = (objects: KubernetesObject[], component: string): IDeployment | IStatefulSet =>
  objects.some(({ kind, metadata }) => kind === 'Deployment' && metadata.name === `gate-sluice-${component}`)
    ? find(objects, 'Deployment', component)
    : find(objects, 'StatefulSet', component)

export const podOf = (objects: KubernetesObject[], component: string): IPodSpec & { labels: Record<string, string> } => {
  const { template } = workloadOf(objects, component).spec as NonNullable<IDeployment['spec']>
  return { ...(template.spec as IPodSpec), labels: template.metadata?.labels ?? {} }
}

export const containerOf = (objects: KubernetesObject[], component: string): IContainer => {
  const [container] = podOf(objects, component).containers
  if (container === undefined) throw new Error(`expected a container in ${component}`)
  return container
}

/** What the digest of the config in the pod's annotations is; another one restarts the pods. */
export const digestOf = (objects: KubernetesObject[], component: string): string =>
  (workloadOf(objects, component).spec as NonNullable<IDeployment['spec']>).template.metadata?.annotations?.['checksum/config'] ??
  ''

export type SluiceConfig = {
  hostname: string
  redis?: Record<string, unknown>
  listeners: { name: string; listen: string; tls?: object; auth?: string; implicitTls?: boolean; proxy?: object }[]
  domains: { name: string; route?: string }[]
  accounts: { address: string; passwordFile?: string }[]
  routes: { name: string; type: string; hosts?: string[]; tls?: string; auth?: object }[]
  [key: string]: unknown
}

export const configText = (objects: KubernetesObject[], component: ServiceName): string =>
  find(objects, 'ConfigMap', component).data?.['sluice.yaml'] ?? ''

export const configOf = (objects: KubernetesObject[], component: ServiceName): SluiceConfig =>
  parse(configText(objects, component))
