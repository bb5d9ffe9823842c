export * from './events.ts'
export * from './id.ts'
export * from './outcome.ts'
export * from './task.ts'
