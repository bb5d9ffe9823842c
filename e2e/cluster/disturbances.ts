/** What happens to a running release: upgrades, scaling, deaths, drains, cuts. Each resolves when the release is whole again, and says what it did. */
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../support/gateway.ts'
import { isReady, type Kube, type Pod } from './kube.ts'
import type { ClusterOptions } from './options.ts'

export type Scene = {
  kube: Kube
  values: (tag: 'first' | 'second') => object
  options: ClusterOptions
}

const WHOLE_WITHIN_MS = 300_000
const CUT_MS = 90_000
const COMPONENTS = ['ingress', 'spooler', 'delivery-agent', 'mailbox', 'redis'] as const

type Workload = {
  kind: string
  metadata: { name: string }
  spec: { replicas?: number }
  status: { readyReplicas?: number; updatedReplicas?: number }
}

/** Every Deployment and StatefulSet has as many ready pods as it wants, and no pod is on its way out. */
const isWhole = async (kube: Kube): Promise<boolean> => {
  const { items } = await kube.get<{ items: Workload[] }>('deployments,statefulsets')
  return items.length > 0 && items.every(({ spec, status }) => (status.readyReplicas ?? 0) === (spec.replicas ?? 1))
}

export const untilAllReady = async ({ kube }: Scene): Promise<void> => {
  await eventually('every pod to be ready', () => isWhole(kube).catch(() => false), WHOLE_WITHIN_MS, 500)
}

/** Of the pods that are there to stay. */
const tagsOf = async (kube: Kube, component: string): Promise<string[]> =>
  (await kube.pods(component)).filter(isReady).map((pod) => pod.spec.containers[0]?.image.split(':').at(-1) ?? '')

export const upgradeTo = async ({ kube, values, options }: Scene, tag: 'first' | 'second'): Promise<string> => {
  const startedAt = performance.now()
  if (tag === 'second') await kube.upgrade(values('second'))
  else await kube.helm('rollback', kube.release, '--wait', '--timeout', '300s')
  const running = await Promise.all(COMPONENTS.slice(0, 4).map((name) => tagsOf(kube, name)))
  const tags = [...new Set(running.flat())]
  if (tags.length !== 1 || tags[0] !== options.tags[tag]) throw new Error(`running: ${tags.join(', ')}`)
  return `${((performance.now() - startedAt) / 1000).toFixed(0)} s, all of ${tags[0]}`
}

export const scaleAgents = async (scene: Scene): Promise<string> => {
  const { kube } = scene
  const name = `deployment/${kube.release}-delivery-agent`
  const before = (await kube.pods('delivery-agent')).length
  for (const replicas of [1, 4, 1, before]) {
    await kube.kubectl('scale', name, `--replicas=${replicas}`)
    await kube.rolledOut('delivery-agent')
    await sleep(3000)
  }
  return `back at ${before}`
}

/** kubectl delete pod, one after the other, each when the release is whole again. */
export const killPods = async (scene: Scene, component: string): Promise<string> => {
  const { kube } = scene
  const pods: Pod[] = await kube.pods(component)
  for (const { metadata } of pods) {
    await kube.kubectl('delete', 'pod', metadata.name, '--wait=false')
    await eventually(
      `${metadata.name} to be another one`,
      async () => {
        const now = await kube.pods(component)
        return now.every((pod) => pod.metadata.uid !== metadata.uid || !isReady(pod)) && now.filter(isReady).length >= pods.length
      },
      WHOLE_WITHIN_MS,
      300,
    )
  }
  return `${pods.length} deleted`
}

const restarts = (pod: Pod | undefined): number => pod?.status.containerStatuses?.[0]?.restartCount ?? 0

/**
 * Ends the first process of a container from inside. SIGKILL never reaches it from there; the second SIGTERM ends a service at once,
 * with whatever is in hand, as a crash would.
 */
const CRASH = "process.kill(1, 'SIGTERM'); setTimeout(() => process.kill(1, 'SIGTERM'), 50)"

export const killContainers = async (scene: Scene, component: string): Promise<string> => {
  const { kube } = scene
  const [pod] = await kube.pods(component)
  if (pod === undefined) throw new Error(`no pod of ${component}`)
  const { name } = pod.metadata
  await kube.exec(name, 'node', '-e', CRASH).catch(() => {})
  await eventually(
    `${name} to restart`,
    async () => {
      const now = (await kube.pods(component)).find(({ metadata }) => metadata.name === name)
      return now !== undefined && restarts(now) > restarts(pod) && isReady(now)
    },
    WHOLE_WITHIN_MS,
    300,
  )
  return `${name} restarted`
}

export const drain = async (scene: Scene): Promise<string> => {
  const { kube } = scene
  const node = await otherNode(kube)
  try {
    const flags = [
      '--ignore-daemonsets',
      '--delete-emptydir-data',
      '--timeout=240s',
      `--pod-selector=app.kubernetes.io/instance=${kube.release}`,
    ]
    await kube.cluster('drain', node, ...flags)
  } finally {
    await kube.cluster('uncordon', node)
  }
  return `${node} drained`
}

/** Not the node of Redis, whose volume may be bound to it, and through which the clients come. */
const otherNode = async (kube: Kube): Promise<string> => {
  const [redis] = await kube.pods('redis')
  const { items } = await kube.get<{ items: { metadata: { name: string } }[] }>('nodes')
  const node = items.map(({ metadata }) => metadata.name).find((name) => name !== redis?.spec.nodeName)
  if (node === undefined) throw new Error('the cluster has one node only')
  return node
}

export const cutOff = async (scene: Scene): Promise<string> => {
  const { kube, options } = scene
  const { cut, mend } = options
  if (cut === undefined || mend === undefined) throw new Error('nothing is known to cut a node off with: --cut, --mend')
  const node = await otherNode(kube)
  // After a drain everything is where Redis is: new pods spread again.
  for (const name of ['ingress', 'spooler', 'delivery-agent'])
    await kube.kubectl('rollout', 'restart', `deployment/${kube.release}-${name}`)
  for (const name of ['ingress', 'spooler', 'delivery-agent']) await kube.rolledOut(name)
  const there = (await kube.get<{ items: Pod[] }>('pods')).items.filter((pod) => pod.spec.nodeName === node && isReady(pod))
  if (there.length === 0) throw new Error(`none of our pods is on ${node}: nothing would be cut off`)
  await kube.command(cut, node)
  try {
    await sleep(CUT_MS)
  } finally {
    await kube.command(mend, node)
  }
  return `${node} cut off for ${CUT_MS / 1000} s, with ${there.length} pods`
}
