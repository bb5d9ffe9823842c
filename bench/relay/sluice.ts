/** Sluice as a user runs it: `bin/sluice up` with the relay example, its own data folder and its own durable Redis. */
import { join } from 'node:path'
import { freePort, startGateway } from '@sluice/testkit'
import type { Contender } from './contender.ts'

const ROOT = join(import.meta.dirname, '..', '..')

export const sluice: Contender = {
  name: 'Sluice',
  obstacle: () => null,
  start: async ({ folder, sinkPort }) => {
    const port = await freePort()
    const gateway = await startGateway({
      command: join(ROOT, 'bin', 'sluice'),
      args: ['up', '--config', join(ROOT, 'examples', 'relay.yaml'), '--data', join(folder, 'sluice')],
      env: { SLUICE_LISTEN: `127.0.0.1:${port}`, SLUICE_SMARTHOST: `127.0.0.1:${sinkPort}` },
    })
    const stop = async (): Promise<void> => {
      const code = await gateway.stop('SIGINT')
      if (code !== 0) throw new Error(`bin/sluice up ended with exit code ${code}:\n${gateway.output().slice(-3000)}`)
    }
    return { port, stop }
  },
}
