/** The address that a cluster gives to a LoadBalancer service, and a greeting from behind it. */
import { eventually } from '../support/gateway.ts'
import { openWire } from '../support/wire.ts'
import type { Kube } from './kube.ts'

type Service = { status: { loadBalancer: { ingress?: { ip?: string; hostname?: string }[] } } }

const greets = async (host: string): Promise<boolean> => {
  const wire = await openWire(25, host)
  wire.close()
  return wire.greeting?.startsWith('220') === true
}

/** @throws when none came, or nobody answered there, within two minutes */
export const balancerAddress = async (kube: Kube): Promise<string> => {
  const address = await eventually(
    'an address of the load balancer',
    async () => {
      const { status } = await kube.get<Service>('service', `${kube.release}-ingress`)
      return status.loadBalancer.ingress?.[0]?.ip ?? status.loadBalancer.ingress?.[0]?.hostname
    },
    120_000,
    250,
  )
  await eventually('a greeting behind the load balancer', () => greets(address).catch(() => false), 120_000, 250)
  return address
}
