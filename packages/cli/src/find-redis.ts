/** The Redis behind a config: the one it names, or the one that `sluice up` runs for this data folder. */
import { readFile } from 'node:fs/promises'
import type { Config } from '@sluice/directory'
import { namesRedis, type RedisConfig } from '@sluice/runtime'
import type { DataFolder } from './data-folder.ts'

/** @throws when the config names none and `sluice up` has never run with this data folder */
export const findRedis = async (config: Pick<Config, 'redis'>, data: DataFolder): Promise<RedisConfig> => {
  if (namesRedis(config.redis)) return config.redis
  try {
    const [port, password] = await Promise.all([readFile(data.redisPort, 'utf8'), readFile(data.redisPassword, 'utf8')])
    return { url: `redis://127.0.0.1:${port.trim()}`, password: password.trim() }
  } catch (cause) {
    throw new Error(`there is no Redis in ${data.path}: has \`sluice up\` run with this folder? (--data names another)`, {
      cause,
    })
  }
}
