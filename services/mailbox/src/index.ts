export { declareMetrics } from './metrics.ts'
export { type StartedMailbox, startMailbox } from './start.ts'
