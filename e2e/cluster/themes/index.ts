/** The themes, in the order in which a user would meet them. */
import type { Theme } from '../world.ts'
import { faults } from './faults.ts'
import { install } from './install.ts'
import { redisCluster } from './redis-cluster.ts'
import { s3 } from './s3.ts'
import { scaling } from './scaling.ts'

export const THEMES: Record<string, Theme> = { install, faults, scaling, 'redis-cluster': redisCluster, s3 }
