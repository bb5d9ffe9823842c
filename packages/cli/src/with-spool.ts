/** A connection to the spool for one command: where it is comes from --config, --data or --redis, or from the environment of a container. */
import { type Config, createDirectory, type Directory, loadConfig } from '@sluice/directory'
import { connectRedis, type Log, type RedisConfig, redisPlace } from '@sluice/runtime'
import {
  type AskWhy,
  type Audit,
  createAudit,
  createSelection,
  createShape,
  createTrace,
  createVerbs,
  createWhy,
  type Selection,
  type Shape,
  type Trace,
  type Verbs,
} from '@sluice/spool'
import { type Io, UsageError } from './command.ts'
import { type DataFolder, dataFolder } from './data-folder.ts'
import { findRedis } from './find-redis.ts'

export const SPOOL_OPTIONS = {
  config: { type: 'string' },
  data: { type: 'string' },
  redis: { type: 'string' },
  json: { type: 'boolean' },
} as const

export const SPOOL_HELP = `  --config FILE   the gateway's config, or a folder of files; without it $SLUICE_CONFIG, else the built-in one
  --data DIR      its data folder; without it $SLUICE_DATA, else .sluice in the checkout
  --redis URL     the spool's Redis, instead of the config's
  --json          for programs`

export type SpoolOptions = { config?: string | undefined; data?: string | undefined; redis?: string | undefined }
export type OpenSpool = {
  verbs: Verbs
  selection: Selection
  audit: Audit
  why: AskWhy
  shape: Shape
  trace: (id: string) => Promise<Trace | null>
  directory: Directory
  config: Config
  redis: ReturnType<typeof connectRedis>
}

const ANSWER_WITHIN_MS = 5000
const quiet: Log = { event: () => {}, debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => quiet }

const whereIs = async (options: SpoolOptions, config: Config, folder: DataFolder): Promise<RedisConfig> => {
  const { redis } = options
  if (redis !== undefined && !(/^rediss?:\/\//.test(redis) && URL.canParse(redis)))
    throw new UsageError('expected redis://HOST:PORT or rediss://HOST:PORT behind --redis')
  if (redis === undefined) return findRedis(config, folder)
  const { user, password, tls } = config.redis
  return { url: redis, user, password, tls }
}

/** @throws in words when it does not answer within 5 s, with the last thing that was heard of it */
const awaitReady = (redis: ReturnType<typeof connectRedis>, where: RedisConfig): Promise<void> =>
  new Promise((resolve, reject) => {
    let heard = ''
    redis.on('error', (error) => {
      heard = `: ${error.message}`
    })
    const late = (): void => reject(new Error(`Redis does not answer at ${redisPlace(where)}${heard}. Is the gateway running?`))
    const timer = setTimeout(late, ANSWER_WITHIN_MS)
    redis.once('ready', () => {
      clearTimeout(timer)
      resolve()
    })
  })

/** @throws when Redis does not answer within 5 s */
export const withSpool = async <T>(options: SpoolOptions, io: Io, use: (spool: OpenSpool) => Promise<T>): Promise<T> => {
  const folder = dataFolder(options.data ?? io.env.SLUICE_DATA)
  const config = await loadConfig(options.config ?? io.env.SLUICE_CONFIG ?? null, io.env, { dataDir: folder.path })
  const where = await whereIs(options, config, folder)
  const redis = connectRedis(where, { role: 'command', name: 'cli', log: quiet })
  try {
    await awaitReady(redis, where)
    const spool = { redis, lanes: config.redis.lanes, now: Date.now }
    return await use({
      verbs: createVerbs(spool),
      selection: createSelection(spool),
      audit: createAudit(spool),
      why: createWhy(spool),
      shape: createShape(spool),
      trace: createTrace(spool),
      directory: createDirectory(config),
      config,
      redis,
    })
  } finally {
    redis.disconnect()
  }
}
