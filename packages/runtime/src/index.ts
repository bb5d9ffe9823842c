export { pairProblems, parseCertificate } from './certificate-pair.ts'
export { type Clock, createClock } from './clock.ts'
export { byPlace, ConfigError, formatPath, formatProblems, type Problem } from './config-error.ts'
export { type DurabilityOptions, type DurabilityWatch, watchDurability } from './durability.ts'
export { type HealthServer, startHealthServer } from './health.ts'
export { createLogger, type Fields, formatForPeople, type Log, type LogLevel, type TraceIds } from './log.ts'
export {
  type AdmissionTold,
  type ContentTold,
  createAdmissionFigures,
  createContentFigures,
  createEventCounter,
  createMetrics,
  declareConfig,
  declareReadiness,
  type Metrics,
} from './metrics.ts'
export { canonicalIp, createNetworks, homeNetwork, parseNetwork, plainIp } from './networks.ts'
export { NODE_ENVIRONMENT, NODE_FLAGS } from './node-flags.ts'
export type { Readiness } from './readiness.ts'
export { connectRedis, logWorkerError, namesRedis, type RedisConfig, type RedisRole, redisFate, redisPlace } from './redis.ts'
export { declareRedis } from './redis-metrics.ts'
export { type Listening, type RunningService, runService } from './service.ts'
export { connectService } from './service-redis.ts'
export { address, duration, percent, rate, size, timerDuration } from './unit-schemas.ts'
export {
  type Address,
  formatAddress,
  parseAddress,
  parseDurationMs,
  parsePercent,
  parseRate,
  parseSizeBytes,
  type Rate,
} from './units.ts'
export { validate } from './validate.ts'
export { loadYaml, type YamlDocument } from './yaml.ts'
export { mergeYaml } from './yaml-folder.ts'
