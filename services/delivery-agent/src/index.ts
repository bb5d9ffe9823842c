export { type StartedService, startDeliveryAgent } from './start.ts'
