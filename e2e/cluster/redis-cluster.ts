/** Three Redis servers as a Cluster, each with a volume: what somebody has who brings a Redis of their own. */
import { eventually } from '../support/gateway.ts'
import { applyObjects, isReady, type Kube } from './kube.ts'

export const REDIS_NAME = 'shards'
const IMAGE = 'docker.io/library/redis:7-bookworm'
const SLOTS = 16_384

/** A pod that comes back has another address: it tells the others, who know it by its ID. */
const START = `exec redis-server --port 6379 --dir /data --cluster-enabled yes --cluster-config-file /data/nodes.conf \
--cluster-announce-ip "$POD_IP" --cluster-node-timeout 5000 --cluster-require-full-coverage no --appendonly yes --appendfsync always \
--save "" --maxmemory 256mb --maxmemory-policy noeviction --protected-mode no`

const manifest = (): object[] => {
  const labels = { app: REDIS_NAME }
  const container = {
    ...{ name: 'redis', image: IMAGE, command: ['sh', '-c', START], ports: [{ containerPort: 6379 }] },
    env: [{ name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }],
    readinessProbe: { exec: { command: ['redis-cli', 'ping'] }, periodSeconds: 1 },
    volumeMounts: [{ name: 'data', mountPath: '/data' }],
  }
  const claim = {
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  }
  const service = {
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: REDIS_NAME } },
    spec: { clusterIP: 'None', publishNotReadyAddresses: true, selector: labels, ports: [{ name: 'redis', port: 6379 }] },
  }
  const set = {
    ...{ apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: REDIS_NAME } },
    spec: {
      ...{ serviceName: REDIS_NAME, replicas: 3, podManagementPolicy: 'Parallel', selector: { matchLabels: labels } },
      template: { metadata: { labels }, spec: { securityContext: { runAsUser: 999, fsGroup: 999 }, containers: [container] } },
      volumeClaimTemplates: [claim],
    },
  }
  return [service, set]
}

type Pods = { items: Parameters<typeof isReady>[0][] }

/** Every shard is there, and all slots have an owner that answers. */
export const shardsAreWell = async (kube: Kube): Promise<boolean> => {
  const { items } = await kube.get<Pods>('pods', '-l', `app=${REDIS_NAME}`)
  if (items.filter(isReady).length < 3) return false
  const told = await Promise.all([0, 1, 2].map((n) => kube.exec(`${REDIS_NAME}-${n}`, 'redis-cli', 'cluster', 'info')))
  return told.every((info) => /^cluster_state:ok/m.test(info) && info.includes(`cluster_slots_ok:${SLOTS}`))
}

export const installRedisCluster = async (kube: Kube): Promise<string> => {
  await kube.cluster('create', 'namespace', kube.namespace)
  await applyObjects(kube, manifest())
  await kube.kubectl('rollout', 'status', `statefulset/${REDIS_NAME}`, '--timeout=120s')
  const { items } = await kube.get<Pods>('pods', '-l', `app=${REDIS_NAME}`)
  const addresses = items.map(({ status }) => `${status.podIP}:6379`)
  await kube.exec(`${REDIS_NAME}-0`, 'redis-cli', '--cluster', 'create', ...addresses, '--cluster-yes')
  await eventually('the cluster to be well', () => shardsAreWell(kube), 60_000, 500)
  return addresses.join(', ')
}
