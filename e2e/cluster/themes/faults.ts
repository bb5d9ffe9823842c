/**
 * Upgrades and faults under a steady load, one after the other, and then the account: every accepted message has arrived, none is
 * lost, doubles are counted, and nobody was refused but while Redis was killed or a node cut off.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type FarEnd, startFarEnd } from '@sluice/testkit'
import { type Arrivals, account } from '../account.ts'
import { nodePort } from '../balancer.ts'
import { cutOff, drain, killContainers, killPods, type Scene, scaleAgents, untilAllReady, upgradeTo } from '../disturbances.ts'
import type { Kube } from '../kube.ts'
import { type MailLoad, startMailLoad } from '../mail-load.ts'
import { recipientsIn } from '../mailbox.ts'
import { watchRate } from '../rate.ts'
import { removeRelease } from '../uninstall.ts'
import { gatewayValues } from '../values.ts'
import type { Theme } from '../world.ts'

/**
 * Clients come through a NodePort, whose connections stay with their pod for as long as it lives. A load balancer that moves open
 * connections with its routes would cut them, and be what is measured. It hides the clients: far.test is an own domain, open to all.
 */
const INBOUND = {
  config: {
    trustedNetworks: [],
    domains: [
      { name: 'sluice.test', route: 'local', postmaster: 'me@sluice.test' },
      { name: 'far.test', route: 'far', recipients: 'any' },
    ],
  },
  ingress: { service: { type: 'NodePort', externalTrafficPolicy: 'Cluster' } },
}
const RATE_PER_SECOND = 100
const CALM_MS = 5000

/** A step under load: the disturbance, some calm after it, and what the clients saw of it. */
const disturb = async (load: MailLoad, mayRefuse: boolean, run: () => Promise<string>): Promise<string> => {
  const refusedBefore = load.refusals.length
  const rate = watchRate(load)
  const what = await run()
  await sleep(CALM_MS)
  const refusals = load.refusals.slice(refusedBefore).filter(({ stage }) => stage !== 'goodbye')
  const kinds = [...new Set(refusals.map(({ stage, reply }) => `${stage} ${reply.split('\n')[0]}`.trim()))]
    .slice(0, 4)
    .join(' | ')
  const text = `${what}; ${rate()}, ${refusals.length} refused${kinds === '' ? '' : `: ${kinds}`}`
  if (!mayRefuse && refusals.length > 0) throw new Error(text)
  return text
}

/** One message in ten stays here, so that the mailbox has its part in everything. */
const recipient = (n: number): string => (n % 10 === 0 ? `me+${n}@sluice.test` : `m${n}@far.test`)

const arrivalsAt =
  (far: FarEnd, kube: Kube): Arrivals =>
  async () => [
    ...far.messages.flatMap(({ recipients }) => recipients.map(({ address }) => address)),
    ...(await recipientsIn(kube)),
  ]

export const faults: Theme = async (world) => {
  const { steps, options } = world
  const kube = world.release('faults')
  const far = await startFarEnd({ host: world.host })
  const values = (tag: 'first' | 'second'): object =>
    gatewayValues({ client: world.host, far }, { ...world.images(tag), ...INBOUND })
  const scene: Scene = { kube, values, options }
  let load: MailLoad | undefined
  try {
    let at = { host: '', port: 25 }
    const there = await steps.step('install for the faults', async () => {
      await kube.install(values('first'))
      at = await nodePort(kube)
      return `${at.host}:${at.port}`
    })
    if (!there) return
    const running = startMailLoad({ ...at, rate: RATE_PER_SECOND, to: recipient })
    load = running
    const step = (name: string, run: () => Promise<string>, mayRefuse = false): Promise<boolean> =>
      steps.step(name, () => disturb(running, mayRefuse, run)).finally(() => untilAllReady(scene))
    await step('steady load', () => sleep(10_000).then(() => 'nothing disturbs'))
    await step('rolling upgrade to another tag', () => upgradeTo(scene, 'second'))
    await step('rollback', () => upgradeTo(scene, 'first'))
    await step('delivery-agents 1 → 4 → 1', () => scaleAgents(scene))
    for (const service of ['ingress', 'spooler', 'delivery-agent', 'mailbox'])
      await step(`${service} pods deleted`, () => killPods(scene, service))
    await step('ingress container killed', () => killContainers(scene, 'ingress'), true)
    await step('delivery-agent container killed', () => killContainers(scene, 'delivery-agent'))
    await step('a node drained, and given back', () => drain(scene))
    await step('Redis pod killed', () => killPods(scene, 'redis'), true)
    if (!options.without.includes('cut')) await step('a node cut off for 90 s', () => cutOff(scene), true)
    await steps.step('the account', () => account(running, arrivalsAt(far, kube)))
  } finally {
    await load?.stop()
    await far.stop()
    if (!options.keep) await removeRelease(kube)
  }
}
