export { type StartedMailbox, startMailbox } from './start.ts'
