export { declareMetrics } from './metrics.ts'
export { type StartedService, startSpooler } from './start.ts'
