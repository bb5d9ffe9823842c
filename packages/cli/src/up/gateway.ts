/** A gateway as `sluice up` runs it: its Redis, then its services, as processes or in this one; and the end of both. */
import { type Config, type ConfigSource, loadConfig } from '@sluice/directory'
import { type Listening, type Log, NODE_ENVIRONMENT, NODE_FLAGS, namesRedis, type RedisConfig } from '@sluice/runtime'
import { COMPILE_CACHE, type DataFolder, serviceMain } from '../data-folder.ts'
import { awaitRedis, prepareRedis } from './own-redis.ts'
import { createProcesses } from './processes.ts'
import { type Running, SERVICES } from './services.ts'

export type GatewayOptions = {
  config: Config
  /** Absolute path; null: the built-in config. */
  configFile: string | null
  data: DataFolder
  singleProcess: boolean
  env: NodeJS.ProcessEnv
  log: Log
}

export type Gateway = {
  /** Names of the services that run. */
  services: string[]
  redis: RedisConfig
  listening: () => Map<string, Listening[]>
  /** The gateway has come up: from now on what dies is started again, however often. */
  settled: () => void
  /** Rejects when a process has been given up. */
  failure: Promise<never>
  /** Ingress first, Redis last. */
  stop: () => Promise<void>
}

/** A child may need a moment beyond its grace time to close what it has open. */
const BEYOND_GRACE_MS = 3000

const serviceEnv = (options: GatewayOptions, redis: RedisConfig, isOwn: boolean): NodeJS.ProcessEnv => {
  const { env, configFile, data } = options
  const config = configFile === null ? {} : { SLUICE_CONFIG: configFile }
  const own = isOwn && redis.url !== null ? { SLUICE_REDIS_URL: redis.url, SLUICE_REDIS_PASSWORD_FILE: data.redisPassword } : {}
  return { NODE_COMPILE_CACHE: COMPILE_CACHE, ...NODE_ENVIRONMENT, ...env, ...config, ...own, SLUICE_DATA: data.path }
}

/** The config of services in this process, to be watched: with the Redis that is in use. */
const sourceOf = ({ configFile, data, env }: GatewayOptions, redis: Config['redis']): ConfigSource | null =>
  configFile === null
    ? null
    : { file: configFile, load: async () => ({ ...(await loadConfig(configFile, env, { dataDir: data.path })), redis }) }

/** Starts the services one after another in this process; those that have started are closed when one cannot. */
const startHere = async (
  options: GatewayOptions,
  redis: RedisConfig,
): Promise<{ names: string[]; running: Map<string, Running> }> => {
  const config = { ...options.config, redis: { ...options.config.redis, url: redis.url, password: redis.password } }
  const source = sourceOf(options, config.redis)
  const running = new Map<string, Running>()
  const closeAll = async (): Promise<void> => {
    for (const service of [...running.values()].toReversed()) await service.close()
  }
  for (const { name, isNeeded, load } of SERVICES) {
    if (!isNeeded(config)) continue
    try {
      const start = await load()
      running.set(name, await start(config, { log: options.log.child({ part: name }), source }))
    } catch (fault) {
      await closeAll()
      throw fault
    }
  }
  return { names: [...running.keys()], running }
}

export const startGateway = async (options: GatewayOptions, signal: AbortSignal): Promise<Gateway> => {
  const { config, data, env, log } = options
  const processes = createProcesses(log)
  const within = config.shutdownGraceMs + BEYOND_GRACE_MS
  const isOwn = !namesRedis(config.redis)
  const over = new AbortController()
  try {
    let redis: RedisConfig = config.redis
    if (isOwn) {
      const own = await prepareRedis(data, env)
      processes.start(own.spec)
      await Promise.race([awaitRedis(own, AbortSignal.any([signal, over.signal])), processes.failure])
      redis = { url: own.url, password: own.password }
    }
    const common = { redis, settled: processes.settled, failure: processes.failure }
    if (options.singleProcess) {
      const { names, running } = await startHere(options, redis)
      const stop = async (): Promise<void> => {
        for (const service of [...running.values()].toReversed()) await service.close()
        await processes.stop(within)
      }
      const listening = new Map([...running].map(([name, service]) => [name, service.listening]))
      return { ...common, services: names, listening: () => listening, stop }
    }
    const names = SERVICES.filter(({ isNeeded }) => isNeeded(config)).map(({ name }) => name)
    for (const name of names) {
      const spec = { name, command: process.execPath, args: [...NODE_FLAGS, serviceMain(name)], ipc: true }
      processes.start({ ...spec, env: serviceEnv(options, redis, isOwn) })
    }
    return { ...common, services: names, listening: processes.listening, stop: () => processes.stop(within) }
  } catch (fault) {
    over.abort()
    await processes.stop(within)
    throw fault
  }
}
