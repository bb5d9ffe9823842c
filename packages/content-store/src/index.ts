export type { ContentStore, ContentWriter, StagedContent } from './content.ts'
export { ContentError, type ContentErrorCode } from './errors.ts'
export { contentsKey, pieceKey, pieceKeys } from './keys.ts'
export { type ContentStoreOptions, createContentStore } from './store.ts'
