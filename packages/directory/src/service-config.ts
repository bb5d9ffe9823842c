/**
 * The config of a service that runs in a process of its own. Its environment says where things are: SLUICE_CONFIG the file or
 * folder (the built-in config without it), SLUICE_DATA the data folder, and, when `sluice up` runs the Redis, SLUICE_REDIS_URL and
 * SLUICE_REDIS_PASSWORD_FILE.
 */
import { readFile } from 'node:fs/promises'
import type { Config } from './config.ts'
import { loadConfig } from './load-config.ts'
import type { ConfigSource } from './watch-config.ts'

/** @throws ConfigError as loadConfig does */
export const loadServiceConfig = async (env: NodeJS.ProcessEnv): Promise<Config> => {
  const { SLUICE_CONFIG, SLUICE_DATA, SLUICE_REDIS_URL, SLUICE_REDIS_PASSWORD_FILE } = env
  const config = await loadConfig(SLUICE_CONFIG ?? null, env, SLUICE_DATA === undefined ? {} : { dataDir: SLUICE_DATA })
  if (SLUICE_REDIS_URL === undefined) return config
  const password = SLUICE_REDIS_PASSWORD_FILE === undefined ? null : (await readFile(SLUICE_REDIS_PASSWORD_FILE, 'utf8')).trim()
  return { ...config, redis: { ...config.redis, url: SLUICE_REDIS_URL, password } }
}

/** Where the service's config comes from, to be watched; null: it is the built-in one. */
export const serviceConfigSource = (env: NodeJS.ProcessEnv): ConfigSource | null => {
  const { SLUICE_CONFIG } = env
  return SLUICE_CONFIG === undefined ? null : { file: SLUICE_CONFIG, load: () => loadServiceConfig(env) }
}
