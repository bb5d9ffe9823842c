/**
 * A Redis outside the chart, with Sentinels, two replicas, TLS and passwords, as examples/high-availability.yaml of the chart has it:
 * the master's pod is deleted under load, a replica takes its place, and nothing that got a 250 is lost, as each has waited for both
 * replicas.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { startFarEnd } from '@sluice/testkit'
import { eventually } from '../../support/gateway.ts'
import { account } from '../account.ts'
import { balancerAddress } from '../balancer.ts'
import type { Kube } from '../kube.ts'
import { type MailLoad, startMailLoad } from '../mail-load.ts'
import { watchRate } from '../rate.ts'
import { installRedisSentinels, masterPod, STORE, STORE_TLS, sentinelAddresses, storeIsWell } from '../redis-sentinels.ts'
import { removeRelease } from '../uninstall.ts'
import { gatewayValues } from '../values.ts'
import type { Theme } from '../world.ts'

const RATE_PER_SECOND = 50
/** All of them; and time for servers that share a busy machine. */
const WAIT = { replicas: 2, timeout: '5s' }

/** Until mail is taken again, for which both replicas must be there. */
const failOver = async (kube: Kube, load: MailLoad): Promise<string> => {
  const old = await masterPod(kube, `${STORE}-0`)
  const asked = old === `${STORE}-0` ? `${STORE}-1` : `${STORE}-0`
  const rate = watchRate(load)
  const startedAt = performance.now()
  const since = (): string => ((performance.now() - startedAt) / 1000).toFixed(1)
  const before = load.refusals.length
  await kube.kubectl('delete', 'pod', old, '--now', '--wait=false')
  const next = await eventually(
    'another master',
    async () => {
      const named = await masterPod(kube, asked)
      return named !== old && named
    },
    120_000,
    250,
  )
  const named = since()
  await eventually('the old master as a replica', () => storeIsWell(kube).catch(() => false), 180_000, 250)
  const whole = since()
  const accepted = load.accepted.length
  await eventually('mail to be taken again', () => load.accepted.length > accepted + 5 * RATE_PER_SECOND, 120_000, 250)
  const refused = load.refusals.length - before
  return `${old} deleted, ${next} master after ${named} s, both replicas there after ${whole} s; ${refused} refused meanwhile; ${rate()}`
}

export const sentinel: Theme = async (world) => {
  const { steps, options } = world
  const kube = world.release('sentinel')
  const far = await startFarEnd({ host: world.host })
  let load: MailLoad | undefined
  try {
    const store = await steps.step('three Redis servers with Sentinels', () => installRedisSentinels(kube))
    let host = ''
    const there =
      store &&
      (await steps.step('install with redis.external.sentinels', async () => {
        const sentinels = sentinelAddresses(kube)
        const more = {
          ...world.images('first'),
          config: { redis: { wait: WAIT } },
          redis: {
            external: {
              ...{ sentinels, existingSecret: STORE, sentinelPasswordKey: 'sentinel-password' },
              tls: { enabled: true, existingSecret: STORE_TLS, caKey: 'ca.crt' },
            },
          },
          mailbox: { persistence: { enabled: false } },
        }
        await kube.install(gatewayValues({ client: world.host, far }, more))
        host = await balancerAddress(kube)
        return `${host}, each 250 waits for ${WAIT.replicas} replicas`
      }))
    if (!there) return
    const running = startMailLoad({ host, rate: RATE_PER_SECOND, to: (n) => `m${n}@far.test` })
    load = running
    await steps.step('mail flows', async () => {
      const rate = watchRate(running)
      await sleep(10_000)
      if (running.refusals.length > 0) throw new Error(`${running.refusals.length} refused: ${running.refusals[0]?.reply}`)
      return `${running.accepted.length} accepted, ${far.messages.length} delivered; ${rate()}`
    })
    await steps.step('the master’s pod is deleted', () => failOver(kube, running))
    await steps.step('the account', () =>
      account(running, async () => far.messages.flatMap(({ recipients }) => recipients.map(({ address }) => address))),
    )
  } finally {
    await load?.stop()
    await far.stop()
    if (!options.keep) await removeRelease(kube)
  }
}
