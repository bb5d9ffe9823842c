/** The data folder: what `sluice up` keeps there, and where other commands find it. */
import { join, resolve } from 'node:path'

const CHECKOUT = join(import.meta.dirname, '..', '..', '..')

/** Node.js keeps compiled code here, so that every start but the first takes less than half the time. */
export const COMPILE_CACHE = join(CHECKOUT, 'node_modules', '.cache', 'compile')

export type DataFolder = {
  path: string
  redis: string
  /** Port of the Redis that `sluice up` runs, as text. */
  redisPort: string
  redisPassword: string
}

/** @param given the option --data; without it, `.sluice` in the checkout */
export const dataFolder = (given: string | undefined): DataFolder => {
  const path = given === undefined ? join(CHECKOUT, '.sluice') : resolve(given)
  return { path, redis: join(path, 'redis'), redisPort: join(path, 'redis-port'), redisPassword: join(path, 'redis-password') }
}

/** `services/NAME/src/main.ts` */
export const serviceMain = (name: string): string => join(CHECKOUT, 'services', name, 'src', 'main.ts')
