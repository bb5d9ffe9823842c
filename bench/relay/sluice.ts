/** Sluice as a user runs it: `bin/sluice up` with a config of its own, a data folder of its own and its own durable Redis. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, startGateway } from '@sluice/testkit'
import { Redis } from 'ioredis'
import type { ProcessFigures } from '../support/processes.ts'
import { commandCalls } from '../support/redis-calls.ts'
import type { Contender } from './contender.ts'

const BENCH = join(import.meta.dirname, '..')
const SLUICE = join(BENCH, '..', 'bin', 'sluice')
const CONFIG = join(BENCH, 'peers', 'sluice.yaml')

const stageOf = ({ command }: ProcessFigures): string => {
  const service = /services\/([a-z-]+)\/src\/main/.exec(command)?.[1]
  return service ?? (command.includes('redis-server') ? 'redis' : 'supervisor')
}

const connectTo = async (data: string): Promise<Redis> => {
  const [port, password] = await Promise.all(['redis-port', 'redis-password'].map((file) => readFile(join(data, file), 'utf8')))
  return new Redis({ host: '127.0.0.1', port: Number(port), password: (password ?? '').trim() })
}

export const sluice: Contender = {
  name: 'Sluice',
  durability: 'Redis with appendfsync always',
  prepare: async () => {},
  start: async ({ folder, sinkPort }) => {
    const port = await freePort()
    const data = join(folder, 'sluice')
    const gateway = await startGateway({
      command: SLUICE,
      args: ['up', '--config', CONFIG, '--data', data],
      env: { SLUICE_LISTEN: `127.0.0.1:${port}`, SLUICE_SMARTHOST: `127.0.0.1:${sinkPort}` },
    })
    const redisCalls = async (): Promise<Record<string, number>> => {
      const redis = await connectTo(data)
      try {
        return await commandCalls(redis)
      } finally {
        redis.disconnect()
      }
    }
    const stop = async (): Promise<void> => {
      const code = await gateway.stop('SIGINT')
      if (code !== 0) throw new Error(`bin/sluice up ended with exit code ${code}:\n${gateway.output().slice(-3000)}`)
    }
    return { port, root: gateway.pid, stageOf, redisCalls, stop }
  },
}
