/** One more delivery-agent beside those of a gateway, as a second machine would run it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startService } from './service.ts'

export type Agent = {
  /** How often this step stands in its log. */
  count: (event: string) => number
  stop: () => Promise<void>
}

/** @param folder the data folder of the gateway, which holds its config too */
export const startAgent = async (folder: string): Promise<Agent> => {
  const port = (await readFile(join(folder, 'redis-port'), 'utf8')).trim()
  const agent = await startService('delivery-agent', {
    SLUICE_CONFIG: join(folder, 'sluice.yaml'),
    SLUICE_DATA: folder,
    SLUICE_REDIS_URL: `redis://127.0.0.1:${port}`,
    SLUICE_REDIS_PASSWORD_FILE: join(folder, 'redis-password'),
    SLUICE_CLOCK_FILE: join(folder, 'clock'),
  })
  return { count: (event) => agent.events(event).length, stop: () => agent.stop() }
}
