export { accountFolder } from './account-folder.ts'
export { type StartedMailbox, startMailbox } from './start.ts'
