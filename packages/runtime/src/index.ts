export { ConfigError, formatPath, formatProblems, type Problem } from './config-error.ts'
export { address, duration, percent, rate, size } from './unit-schemas.ts'
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
