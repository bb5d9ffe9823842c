/**
 * Delivery-agents by KEDA: a far end that takes its time gets as many agents as its site's connections need, and no more; they go when
 * the mail has gone; and a hundred thousand messages for a site that is held at one a second add none.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type FarEnd, startFarEnd } from '@sluice/testkit'
import { eventually } from '../../support/gateway.ts'
import { startLoad } from '../../support/load.ts'
import { balancerAddress } from '../balancer.ts'
import { startExternalMetrics } from '../external-metrics.ts'
import { isReady, type Kube } from '../kube.ts'
import { removeRelease } from '../uninstall.ts'
import { gatewayValues } from '../values.ts'
import type { Theme, World } from '../world.ts'

const CONNECTIONS = 40
const SESSIONS_PER_AGENT = 10
const WANTED_AGENTS = CONNECTIONS / SESSIONS_PER_AGENT
const MOST_AGENTS = 10
const SLOW_MS = 2000
const SLOW_MESSAGES = 2000
const THROTTLED_MESSAGES = 100_000
const WATCH_MS = 30_000

const autoscaling = (via: 'keda' | 'hpa'): object => ({
  ...{ via, minReplicas: 1, maxReplicas: MOST_AGENTS, sessionsPerAgent: SESSIONS_PER_AGENT, pollingInterval: 3 },
  behavior: { scaleDown: { stabilizationWindowSeconds: 10 } },
})

const valuesOf = (world: World, far: FarEnd, via: 'keda' | 'hpa'): object =>
  gatewayValues(
    { client: world.host, far },
    {
      ...world.images('first'),
      config: {
        routes: [
          { name: 'local', type: 'local' },
          { name: 'far', match: ['*'], type: 'smtp', hosts: [`${far.host}:${far.port}`], tls: 'off', connections: CONNECTIONS },
          { name: 'held', match: ['held.test'], type: 'smtp', hosts: [`${far.host}:${far.port}`], tls: 'off', rate: '1/s' },
        ],
        delivery: { sessions: SESSIONS_PER_AGENT },
      },
      deliveryAgent: { autoscaling: autoscaling(via) },
      redis: { bundled: { persistence: { enabled: false } } },
      mailbox: { persistence: { enabled: false } },
    },
  )

const wantedAgents = async (kube: Kube): Promise<number> => {
  const { spec } = await kube.get<{ spec: { replicas: number } }>('deployment', `${kube.release}-delivery-agent`)
  return spec.replicas
}

const openAt = (far: FarEnd): number => far.connections.filter(({ closedAt }) => closedAt === null).length

/** The most agents and connections that were seen while it was watched. */
const watchMost = async (kube: Kube, far: FarEnd, forMs: number): Promise<{ agents: number; connections: number }> => {
  const most = { agents: 0, connections: 0 }
  for (const until = Date.now() + forMs; Date.now() < until; await sleep(500)) {
    most.agents = Math.max(most.agents, await wantedAgents(kube))
    most.connections = Math.max(most.connections, openAt(far))
  }
  return most
}

const growToTheSite = async (kube: Kube, far: FarEnd, host: string): Promise<string> => {
  const startedAt = performance.now()
  await startLoad({ host, port: 25, count: SLOW_MESSAGES, to: (n) => `slow+${n}@far.test` }).done
  await eventually(
    `${WANTED_AGENTS} agents`,
    async () =>
      (await wantedAgents(kube)) >= WANTED_AGENTS && (await kube.pods('delivery-agent')).filter(isReady).length >= WANTED_AGENTS,
    120_000,
    500,
  )
  const grownMs = performance.now() - startedAt
  const most = await watchMost(kube, far, WATCH_MS)
  const text = `after ${(grownMs / 1000).toFixed(0)} s; at most ${most.agents} agents and ${most.connections} connections of ${CONNECTIONS}`
  if (most.agents !== WANTED_AGENTS || most.connections > CONNECTIONS) throw new Error(text)
  return text
}

/** @param total messages that the far end has had in all, once they are through */
const shrink = async (kube: Kube, far: FarEnd, total: number): Promise<string> => {
  await far.received(total, 300_000)
  const startedAt = performance.now()
  await eventually(
    'one agent',
    async () => (await wantedAgents(kube)) === 1 && (await kube.pods('delivery-agent')).length === 1,
    180_000,
    500,
  )
  return `one agent ${((performance.now() - startedAt) / 1000).toFixed(0)} s after the last mail; ${far.messages.length} messages arrived`
}

const throttled = async (kube: Kube, far: FarEnd, host: string): Promise<string> => {
  const load = startLoad({
    host,
    port: 25,
    count: THROTTLED_MESSAGES,
    connections: 20,
    bodyBytes: 100,
    to: (n) => `ok+${n}@held.test`,
  })
  const watching = { most: 0, going: true }
  const watch = (async () => {
    while (watching.going) watching.most = Math.max(watching.most, (await watchMost(kube, far, 1000)).agents)
  })()
  await load.done
  await sleep(WATCH_MS)
  watching.going = false
  await watch
  const text = `${load.taken()} taken, at most ${watching.most} agents`
  if (watching.most > 1) throw new Error(text)
  return text
}

/** The same by a HorizontalPodAutoscaler on the external metric. */
const byHpa = async (world: World, kube: Kube, far: FarEnd, host: string): Promise<void> => {
  const { steps } = world
  const adapter = await startExternalMetrics(kube, world.host)
  try {
    const there = await steps.step('from KEDA to an HPA', async () => {
      await kube.upgrade(valuesOf(world, far, 'hpa'))
      await balancerAddress(kube)
    })
    if (!there) return
    await steps.step('the HPA adds agents up to the limit', () => growToTheSite(kube, far, host))
    await steps.step('and takes them away', () => shrink(kube, far, 2 * SLOW_MESSAGES))
  } finally {
    await adapter.close()
  }
}

export const scaling: Theme = async (world) => {
  const { steps, options } = world
  if (options.without.includes('keda')) return
  const kube = world.release('scaling')
  const far = await startFarEnd({ host: world.host, slowMs: SLOW_MS })
  try {
    let host = ''
    const there = await steps.step('install with KEDA', async () => {
      await kube.install(valuesOf(world, far, 'keda'))
      host = await balancerAddress(kube)
      return host
    })
    if (!there) return
    await steps.step('agents are added up to the site’s limit', () => growToTheSite(kube, far, host))
    await steps.step('and taken away', () => shrink(kube, far, SLOW_MESSAGES))
    await byHpa(world, kube, far, host)
    await steps.step(`${THROTTLED_MESSAGES} throttled messages add none`, () => throttled(kube, far, host))
  } finally {
    await far.stop()
    if (!options.keep) await removeRelease(kube)
  }
}
