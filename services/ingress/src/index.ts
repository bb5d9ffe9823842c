export { type StartedIngress, startIngress } from './start.ts'
