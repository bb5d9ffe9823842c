export { declareMetrics } from './metrics.ts'
export type { SessionRun } from './session-runner.ts'
export { startSessionWorkers } from './session-worker.ts'
export { type StartedService, startDeliveryAgent } from './start.ts'
