/** A Redis outside the chart, as a Cluster of three shards: mail flows over 16 lanes, also while a shard's pod is killed. */
import { setTimeout as sleep } from 'node:timers/promises'
import { startFarEnd } from '@sluice/testkit'
import { eventually } from '../../support/gateway.ts'
import { account } from '../account.ts'
import { balancerAddress } from '../balancer.ts'
import { startMailLoad } from '../mail-load.ts'
import { watchRate } from '../rate.ts'
import { installRedisCluster, REDIS_NAME, shardsAreWell } from '../redis-cluster.ts'
import { removeRelease } from '../uninstall.ts'
import { gatewayValues } from '../values.ts'
import type { Theme } from '../world.ts'

const RATE_PER_SECOND = 50
const DOMAINS = 64
const LANES = 16

export const redisCluster: Theme = async (world) => {
  const { steps, options } = world
  const kube = world.release('redis-cluster')
  const far = await startFarEnd({ host: world.host })
  try {
    const cluster = await steps.step('a Redis Cluster of three shards', () => installRedisCluster(kube))
    let host = ''
    const there =
      cluster &&
      (await steps.step('install with redis.external.cluster', async () => {
        const nodes = [0, 1, 2].map((n) => `${REDIS_NAME}-${n}.${REDIS_NAME}.${kube.namespace}.svc.cluster.local:6379`)
        const more = {
          ...world.images('first'),
          config: { redis: { lanes: LANES } },
          redis: { external: { cluster: nodes } },
          mailbox: { persistence: { enabled: false } },
        }
        await kube.install(gatewayValues({ client: world.host, far }, more))
        host = await balancerAddress(kube)
        return `${host}, ${LANES} lanes`
      }))
    if (!there) return
    const load = startMailLoad({ host, rate: RATE_PER_SECOND, to: (n) => `m${n}@d${n % DOMAINS}.test` })
    await steps.step('mail flows over all lanes', async () => {
      const rate = watchRate(load)
      await sleep(10_000)
      if (load.refusals.length > 0) throw new Error(`${load.refusals.length} refused: ${load.refusals[0]?.reply}`)
      return `${load.accepted.length} accepted, ${far.messages.length} delivered; ${rate()}`
    })
    await steps.step('a shard’s pod is killed', async () => {
      const pod = `${REDIS_NAME}-1`
      const rate = watchRate(load)
      await kube.kubectl('delete', 'pod', pod, '--grace-period=0', '--force')
      await eventually('the cluster to be well', () => shardsAreWell(kube).catch(() => false), 180_000, 500)
      const before = load.accepted.length
      await eventually('mail to be taken again', () => load.accepted.length > before + 5 * RATE_PER_SECOND, 120_000, 250)
      return `${pod} deleted; ${load.refusals.length} refused meanwhile; ${rate()}`
    })
    await steps.step('the account', () =>
      account(load, async () => far.messages.flatMap(({ recipients }) => recipients.map(({ address }) => address))),
    )
  } finally {
    await far.stop()
    if (!options.keep) await removeRelease(kube)
  }
}
