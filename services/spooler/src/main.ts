/** The spooler in a process of its own. Wiring only. */
import { loadServiceConfig, serviceConfigSource } from '@sluice/directory'
import { runService } from '@sluice/runtime'
import { startSpooler } from './start.ts'

await runService('spooler', async () => {
  const config = await loadServiceConfig(process.env)
  const { close, listening, log } = await startSpooler(config, { source: serviceConfigSource(process.env) })
  return { stop: close, shutdownGraceMs: config.shutdownGraceMs, listening, log }
})
