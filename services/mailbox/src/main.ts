/** The mailbox service in a process of its own. Wiring only. */
import { loadServiceConfig, serviceConfigSource } from '@sluice/directory'
import { runService } from '@sluice/runtime'
import { startMailbox } from './start.ts'

await runService('mailbox', async () => {
  const config = await loadServiceConfig(process.env)
  const { close, listening, log } = await startMailbox(config, { source: serviceConfigSource(process.env) })
  return { stop: close, shutdownGraceMs: config.shutdownGraceMs, listening, log }
})
