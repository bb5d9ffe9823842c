/** The delivery-agent in a process of its own. Wiring only. */
import { loadServiceConfig, serviceConfigSource } from '@sluice/directory'
import { runService } from '@sluice/runtime'
import { startDeliveryAgent } from './start.ts'

await runService('delivery-agent', async () => {
  const config = await loadServiceConfig(process.env)
  const { close, listening, log } = await startDeliveryAgent(config, { source: serviceConfigSource(process.env) })
  return { stop: close, shutdownGraceMs: config.shutdownGraceMs, listening, log }
})
