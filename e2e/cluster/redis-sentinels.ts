/**
 * Three Redis servers, each with a Sentinel beside it and a volume, that know each other by name, speak TLS only and ask for passwords:
 * what somebody has who brings a Redis that no single machine may stop.
 */
import { createCertificate } from '@sluice/testkit'
import { eventually } from '../support/gateway.ts'
import { applyObjects, isReady, type Kube } from './kube.ts'

const IMAGE = 'docker.io/library/redis:7-bookworm'
const MASTER = 'mymaster'
const SERVERS = 3
const DOWN_AFTER_MS = 3000

/** The StatefulSet, its Service and its Secret, whose keys these are. A Sentinel that writes its file leaves out quotes: no spaces. */
export const STORE = 'store'
const PASSWORDS = { password: 'of-the-servers', 'sentinel-password': 'of-the-sentinels' }

/** The Secret with their certificate. */
export const STORE_TLS = `${STORE}-tls`
/** Of redis.conf, for servers and Sentinels. */
const TLS_LINES = [
  ...['tls-cert-file /tls/tls.crt', 'tls-key-file /tls/tls.key', 'tls-ca-cert-file /tls/ca.crt'],
  ...['tls-auth-clients no', 'tls-replication yes'],
]
const CLI_TLS = '--tls --cacert /tls/ca.crt'

const hostOf = (kube: Kube, n: number): string => `${STORE}-${n}.${STORE}.${kube.namespace}.svc.cluster.local`
export const sentinelAddresses = (kube: Kube): string[] => Array.from({ length: SERVERS }, (_, n) => `${hostOf(kube, n)}:26379`)

/**
 * Whom the other Sentinels call master. A server that was there before and hears that it is the master itself has only just died: it
 * lets the others choose, as a machine that is lost would. The first of all begins as the master.
 */
const START_SERVER = `
me=$HOSTNAME.$DOMAIN
ask() { for n in 0 1 2; do [ "${STORE}-$n" = "$HOSTNAME" ] || REDISCLI_AUTH="$SENTINEL_PASSWORD" timeout 2 redis-cli ${CLI_TLS} -h ${STORE}-$n.$DOMAIN \
-p 26379 sentinel get-master-addr-by-name ${MASTER} 2>/dev/null | sed -n 1p | grep -F ".$DOMAIN"; done | sed -n 1p; }
for turn in $(seq 30); do
  master=$(ask)
  [ -d /data/appendonlydir ] || break
  [ -n "$master" ] && [ "$master" != "$me" ] && break
  sleep 1
done
[ -n "$master" ] || master=${STORE}-0.$DOMAIN
[ "$master" = "$me" ] || replica="--replicaof $master 6379"
exec redis-server --port 0 --tls-port 6379 $(echo "$TLS" | sed "s/^/--/") --dir /data --appendonly yes --appendfsync always --save "" --maxmemory 256mb --maxmemory-policy noeviction \
--repl-diskless-sync-delay 0 --min-replicas-to-write 1 --min-replicas-max-lag 10 --requirepass "$PASSWORD" --masterauth "$PASSWORD" \
--replica-announce-ip "$me" $replica`

/** It keeps its name and what it knows on the volume. */
const START_SENTINEL = `
until getent hosts ${STORE}-0.$DOMAIN >/dev/null; do sleep 0.5; done
[ -s /data/sentinel.conf ] || cat >/data/sentinel.conf <<END
port 0
tls-port 26379
$TLS
dir /tmp
requirepass "$SENTINEL_PASSWORD"
sentinel sentinel-pass "$SENTINEL_PASSWORD"
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $HOSTNAME.$DOMAIN
sentinel monitor ${MASTER} ${STORE}-0.$DOMAIN 6379 2
sentinel auth-pass ${MASTER} "$PASSWORD"
sentinel down-after-milliseconds ${MASTER} ${DOWN_AFTER_MS}
sentinel failover-timeout ${MASTER} 20000
sentinel parallel-syncs ${MASTER} 2
END
exec redis-server /data/sentinel.conf --sentinel`

const container = (kube: Kube, name: string, port: number, start: string): object => ({
  ...{ name, image: IMAGE, command: ['sh', '-c', start], ports: [{ containerPort: port }] },
  env: [
    { name: 'DOMAIN', value: `${STORE}.${kube.namespace}.svc.cluster.local` },
    { name: 'TLS', value: TLS_LINES.join('\n') },
    { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: STORE, key: 'password' } } },
    { name: 'SENTINEL_PASSWORD', valueFrom: { secretKeyRef: { name: STORE, key: 'sentinel-password' } } },
  ],
  readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
  volumeMounts: [
    { name: 'data', mountPath: '/data' },
    { name: 'tls', mountPath: '/tls' },
  ],
})

const manifest = async (kube: Kube): Promise<object[]> => {
  const { cert, key, ca } = await createCertificate(['localhost', '127.0.0.1', `*.${STORE}.${kube.namespace}.svc.cluster.local`])
  const volumes = [{ name: 'tls', secret: { secretName: STORE_TLS } }]
  const labels = { app: STORE }
  const claim = {
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  }
  const ports = [
    { name: 'redis', port: 6379 },
    { name: 'sentinel', port: 26379 },
  ]
  const containers = [container(kube, 'redis', 6379, START_SERVER), container(kube, 'sentinel', 26379, START_SENTINEL)]
  return [
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: STORE }, stringData: PASSWORDS },
    {
      ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name: STORE_TLS } },
      stringData: { 'tls.crt': cert, 'tls.key': key, 'ca.crt': ca },
    },
    {
      ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: STORE } },
      spec: { clusterIP: 'None', publishNotReadyAddresses: true, selector: labels, ports },
    },
    {
      ...{ apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: STORE } },
      spec: {
        ...{ serviceName: STORE, replicas: SERVERS, podManagementPolicy: 'Parallel', selector: { matchLabels: labels } },
        template: { metadata: { labels }, spec: { securityContext: { runAsUser: 999, fsGroup: 999 }, containers, volumes } },
        volumeClaimTemplates: [claim],
      },
    },
  ]
}

/** What the Sentinel of a pod says to a question about the master, word by word. */
const ask = async (kube: Kube, pod: string, question: string): Promise<string[]> => {
  const command = `REDISCLI_AUTH="$SENTINEL_PASSWORD" redis-cli ${CLI_TLS} -p 26379 sentinel ${question} ${MASTER}`
  return (await kube.kubectl('exec', pod, '-c', 'sentinel', '--', 'sh', '-c', command)).trim().split('\n')
}

/** The pod that the Sentinel of a pod calls master. */
export const masterPod = async (kube: Kube, asked: string): Promise<string> =>
  (await ask(kube, asked, 'get-master-addr-by-name'))[0]?.split('.')[0] ?? ''

type Pods = { items: Parameters<typeof isReady>[0][] }

/** Every server is there, and all Sentinels agree on a master with all its replicas in touch. */
export const storeIsWell = async (kube: Kube): Promise<boolean> => {
  const { items } = await kube.get<Pods>('pods', '-l', `app=${STORE}`)
  if (items.filter(isReady).length < SERVERS) return false
  const names = Array.from({ length: SERVERS }, (_, n) => `${STORE}-${n}`)
  const masters = new Set(await Promise.all(names.map((name) => masterPod(kube, name))))
  const [master = ''] = masters
  if (masters.size !== 1 || !names.includes(master)) return false
  const command = `REDISCLI_AUTH="$PASSWORD" redis-cli ${CLI_TLS} info replication`
  const info = await kube.kubectl('exec', master, '-c', 'redis', '--', 'sh', '-c', command)
  const facts = await ask(kube, master, 'master')
  const value = (name: string): number => Number(facts[facts.indexOf(name) + 1])
  const inTouch = info.match(/^slave\d+:.*state=online/gm)?.length ?? 0
  return info.includes('role:master') && inTouch === SERVERS - 1 && value('num-other-sentinels') === SERVERS - 1
}

/** @returns the pod of the master */
export const installRedisSentinels = async (kube: Kube): Promise<string> => {
  await kube.cluster('create', 'namespace', kube.namespace)
  await applyObjects(kube, await manifest(kube))
  await kube.kubectl('rollout', 'status', `statefulset/${STORE}`, '--timeout=180s')
  await eventually('three servers and Sentinels in touch', () => storeIsWell(kube).catch(() => false), 120_000, 500)
  return masterPod(kube, `${STORE}-0`)
}
