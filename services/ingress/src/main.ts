/** Ingress in a process of its own. Wiring only. */
import { loadServiceConfig } from '@sluice/directory'
import { runService } from '@sluice/runtime'
import { startIngress } from './start.ts'

await runService('ingress', async () => {
  const config = await loadServiceConfig(process.env)
  const { close, listening, log } = await startIngress(config)
  return { stop: close, shutdownGraceMs: config.shutdownGraceMs, listening, log }
})
