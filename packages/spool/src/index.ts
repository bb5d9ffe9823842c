export { type Accept, type AcceptMessage, type Destination, StoreError } from './types.ts'
