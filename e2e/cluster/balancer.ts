/** Where mail comes in from outside: the address of a LoadBalancer service, or a NodePort; and a greeting from behind it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../support/gateway.ts'
import { openWire } from '../support/wire.ts'
import type { Kube } from './kube.ts'

type Service = {
  spec: { ports: { name: string; nodePort?: number }[] }
  status: { loadBalancer: { ingress?: { ip?: string; hostname?: string }[] } }
}

const GREETING = '220 '
const SETTLED_AFTER_MS = 5000

const greets = async (host: string, port = 25, greeting = GREETING): Promise<boolean> => {
  const wire = await openWire(port, host)
  wire.close()
  return wire.greeting?.startsWith(greeting) === true
}

/** A balancer hears of pods a moment after they are ready, and may then move connections that are open: has it settled? */
const keepsOne = async (host: string): Promise<boolean> => {
  const wire = await openWire(25, host)
  try {
    await sleep(SETTLED_AFTER_MS)
    const [reply] = await wire.say('NOOP')
    return reply?.startsWith('250') === true
  } finally {
    wire.close()
  }
}

/** @throws when none came, or nobody answered there with the greeting, or connections were cut, for two minutes */
export const balancerAddress = async (kube: Kube, greeting = GREETING): Promise<string> => {
  const address = await eventually(
    'an address of the load balancer',
    async () => {
      const { status } = await kube.get<Service>('service', `${kube.release}-ingress`)
      return status.loadBalancer.ingress?.[0]?.ip ?? status.loadBalancer.ingress?.[0]?.hostname
    },
    120_000,
    250,
  )
  await eventually('a greeting behind the load balancer', () => greets(address, 25, greeting).catch(() => false), 120_000, 250)
  if (greeting === GREETING) await eventually('a connection that lasts', () => keepsOne(address).catch(() => false), 120_000, 250)
  return address
}

type Nodes = { items: { metadata: { name: string }; status: { addresses: { type: string; address: string }[] } }[] }

/** The NodePort of a service at the node where Redis is, and a greeting there. @throws when nobody answered within two minutes */
export const nodePort = async (kube: Kube): Promise<{ host: string; port: number }> => {
  const [redis] = await kube.pods('redis')
  const { items } = await kube.get<Nodes>('nodes')
  const node = items.find(({ metadata }) => metadata.name === redis?.spec.nodeName)
  const host = node?.status.addresses.find(({ type }) => type === 'InternalIP')?.address
  const { spec } = await kube.get<Service>('service', `${kube.release}-ingress`)
  const port = spec.ports.find(({ name }) => name === 'smtp')?.nodePort
  if (host === undefined || port === undefined) throw new Error('the service has no NodePort')
  await eventually('a greeting at the NodePort', () => greets(host, port).catch(() => false), 120_000, 250)
  return { host, port }
}
