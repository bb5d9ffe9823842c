/** Every figure that a service declares, as its registry knows it: the code's own word, nothing written twice. */
import { declareMetrics as declareDeliveryAgent } from '@sluice/delivery-agent'
import { declareMetrics as declareIngress } from '@sluice/ingress'
import { declareMetrics as declareMailbox } from '@sluice/mailbox'
import { createMetrics, type Metrics } from '@sluice/runtime'
import { declareMetrics as declareSpooler } from '@sluice/spooler'

const SERVICES = {
  ingress: declareIngress,
  spooler: declareSpooler,
  'delivery-agent': declareDeliveryAgent,
  mailbox: declareMailbox,
}

export type Figure = { name: string; type: string; help: string; labels: string[]; services: string[]; ofProcess: boolean }

type Declared = { name: string; help: string; type: string; labels: string[] }

const read = async (registry: Metrics): Promise<Declared[]> =>
  (await registry.getMetricsAsJSON()).map(({ name, help, type }) => {
    const metric: unknown = registry.getSingleMetric(name)
    const labels = typeof metric === 'object' && metric !== null && 'labelNames' in metric ? metric.labelNames : []
    return { name, help, type: String(type), labels: Array.isArray(labels) ? labels.map(String) : [] }
  })

/** In the order of their declaration; one that several services have stands once. */
export const declaredFigures = async (): Promise<Figure[]> => {
  const figures = new Map<string, Figure>()
  for (const [service, declare] of Object.entries(SERVICES)) {
    const registry = createMetrics(service)
    const ofProcess = new Set((await read(registry)).map(({ name }) => name))
    declare(registry)
    for (const each of await read(registry)) {
      const known = figures.get(each.name)
      if (known === undefined) figures.set(each.name, { ...each, services: [service], ofProcess: ofProcess.has(each.name) })
      else if (known.help !== each.help)
        throw new Error(`${each.name} means different things in ${known.services} and ${service}`)
      else known.services.push(service)
    }
  }
  return [...figures.values()]
}
