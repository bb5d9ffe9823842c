/** All that the chart makes is what Kubernetes and the operators take: nothing required is missing, and no field is unknown to them. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Certificate } from '@kubernetes-models/cert-manager/cert-manager.io/v1'
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1'
import { PodMonitor, PrometheusRule, ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1'
import { Deployment, StatefulSet } from 'kubernetes-models/apps/v1'
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2'
import { Job } from 'kubernetes-models/batch/v1'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { Role, RoleBinding } from 'kubernetes-models/rbac.authorization.k8s.io/v1'
import { ConfigMap, Pod, Service, ServiceAccount } from 'kubernetes-models/v1'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CLUSTER, EVERYTHING, EXAMPLE_FILES, HOST_PORTS } from './support/cases.ts'
import { type KubernetesObject, render } from './support/render.ts'

const MODELS = {
  Certificate,
  ConfigMap,
  Deployment,
  HorizontalPodAutoscaler,
  Job,
  NetworkPolicy,
  Pod,
  PodDisruptionBudget,
  PodMonitor,
  PrometheusRule,
  Role,
  RoleBinding,
  ScaledObject,
  Service,
  ServiceAccount,
  ServiceMonitor,
  StatefulSet,
}
type Kind = keyof typeof MODELS

const MODULES: Record<string, string> = {
  'cert-manager.io/v1': '@kubernetes-models/cert-manager/cert-manager.io/v1',
  'keda.sh/v1alpha1': '@kubernetes-models/keda/keda.sh/v1alpha1',
  'monitoring.coreos.com/v1': '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1',
  v1: 'kubernetes-models/v1',
}

const TSC = join(import.meta.dirname, '..', '..', 'node_modules', 'typescript', 'bin', 'tsc')

let objects: KubernetesObject[]
let folder: string

beforeAll(async () => {
  const whole = await Promise.all([
    render(),
    ...[EVERYTHING, CLUSTER, HOST_PORTS].map((values) => render(values)),
    ...EXAMPLE_FILES.map((file) => render({}, [file])),
  ])
  objects = whole.flat()
  folder = await mkdtemp(join(import.meta.dirname, '..', 'node_modules', '.rendered-'))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

const modelOf = ({ apiVersion, kind }: KubernetesObject) => {
  const model = MODELS[kind as Kind]
  if (model === undefined || model.apiVersion !== apiVersion) throw new Error(`unknown here: ${apiVersion} ${kind}`)
  return model as unknown as new (
    data: object,
  ) => { validate: () => void }
}

/** Has the TypeScript compiler look for fields that the types do not have; its words, empty when there is nothing to say. */
const compile = async (source: string): Promise<string> => {
  const file = join(folder, 'rendered.ts')
  await writeFile(file, source)
  const flags = [
    '--ignoreConfig',
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'nodenext',
    '--target',
    'esnext',
    '--types',
    '',
  ]
  try {
    await promisify(execFile)(process.execPath, [TSC, ...flags, file], { maxBuffer: 16 * 1024 * 1024 })
    return ''
  } catch (error) {
    return String((error as { stdout?: string }).stdout)
  }
}

const typed = (all: KubernetesObject[]): string => {
  const lines = all.map((object, i) => {
    const from = MODULES[object.apiVersion] ?? `kubernetes-models/${object.apiVersion}`
    return `import type { I${object.kind} as T${i} } from '${from}'\nexport const o${i}: T${i} = ${JSON.stringify(object, null, 1)}\n`
  })
  return lines.join('')
}

describe('what the chart makes', () => {
  it('is of every kind that is looked at here', () => {
    expect([...new Set(objects.map(({ kind }) => kind))].toSorted()).toEqual(Object.keys(MODELS).toSorted())
  })

  it('is valid by the schemas of Kubernetes and of the operators', () => {
    for (const object of objects) {
      const Model = modelOf(object)
      expect(() => new Model(object).validate(), `${object.kind} ${object.metadata.name}`).not.toThrow()
    }
  })

  it('has no field that they do not know', async () => {
    expect(await compile(typed(objects))).toBe('')
  })

  it('would be found out: a field that does not exist, and one that is missing', async () => {
    const [service] = objects.filter(({ kind }) => kind === 'Service')
    if (service === undefined) throw new Error('expected a Service')
    const odd = { ...service, spec: { ...service.spec, notAField: true } }
    expect(await compile(typed([odd]))).toMatch(/notAField/)
    const deployment = objects.find(({ kind }) => kind === 'Deployment') as KubernetesObject
    const { selector, ...rest } = deployment.spec
    const Model = modelOf(deployment)
    expect(() => new Model({ ...deployment, spec: rest }).validate()).toThrow(/selector/)
  })
})
