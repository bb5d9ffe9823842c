export { createIsPrivate, literalAddress } from './address.ts'
export type { NameServer } from './lookup.ts'
export {
  createResolver,
  type HostAnswer,
  type MxAnswer,
  type MxHost,
  type MxResolver,
  type MxSite,
  type ResolverOptions,
} from './resolver.ts'
