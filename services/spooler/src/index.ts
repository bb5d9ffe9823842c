export { type StartedService, startSpooler } from './start.ts'
