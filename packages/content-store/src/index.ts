export type { ContentStore, ContentWriter, StagedContent } from './content.ts'
