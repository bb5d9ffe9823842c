/** Sluice as a user runs it: `bin/sluice up` with a config of its own, a data folder of its own and its own durable Redis. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, startGateway } from '@sluice/testkit'
import { Redis } from 'ioredis'
import type { ProcessFigures } from '../support/processes.ts'
import { commandCalls } from '../support/redis-calls.ts'
import type { Contender, Place, RunningContender } from './contender.ts'

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

/** `figures`: the text of each service's /metrics, one after the other. */
type RunningSluice = RunningContender & { figures: () => Promise<string> }
type SluiceContender = Omit<Contender, 'start'> & { start: (place: Place) => Promise<RunningSluice> }

/** @param env added to the environment of its services */
export const createSluice = (name: string, env: NodeJS.ProcessEnv): SluiceContender => ({
  name,
  durability: 'Redis with appendfsync always',
  prepare: async () => {},
  start: async ({ folder, sinkPort }) => {
    const port = await freePort()
    const data = join(folder, 'sluice')
    const gateway = await startGateway({
      command: SLUICE,
      args: ['up', '--config', CONFIG, '--data', data],
      env: { SLUICE_LISTEN: `127.0.0.1:${port}`, SLUICE_SMARTHOST: `127.0.0.1:${sinkPort}`, ...env },
    })
    const redisCalls = async (): Promise<Record<string, number>> => {
      const redis = await connectTo(data)
      try {
        return await commandCalls(redis)
      } finally {
        redis.disconnect()
      }
    }
    const figures = async (): Promise<string> => {
      const urls = [...gateway.output().matchAll(/^\S+ figures\s+(http:\S+)$/gm)].map(([, url = '']) => url)
      return (await Promise.all(urls.map(async (url) => (await fetch(url)).text()))).join('')
    }
    const stop = async (): Promise<void> => {
      const code = await gateway.stop('SIGINT')
      if (code !== 0) throw new Error(`bin/sluice up ended with exit code ${code}:\n${gateway.output().slice(-3000)}`)
    }
    return { port, root: gateway.pid, stageOf, redisCalls, figures, stop }
  },
})

export const sluice: Contender = createSluice('Sluice', {})
