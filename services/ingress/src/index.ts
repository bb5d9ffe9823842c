export { declareMetrics } from './metrics.ts'
export { type StartedIngress, startIngress } from './start.ts'
