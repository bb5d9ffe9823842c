/** What a key of the values says of itself: text, type, default, and the keys below it when it is a section of ours. */
import type { z } from 'zod'

type Def = {
  type: string
  in?: z.ZodType
  innerType?: z.ZodType
  element?: z.ZodType
  options?: z.ZodType[]
  shape?: Record<string, z.ZodType>
  entries?: Record<string, string>
  catchall?: z.ZodType
}

export type Facts = {
  about: string
  /** In words. */
  type: string
  /** Keys of a section; null for a value, Kubernetes' own types included. */
  keys: Record<string, z.ZodType> | null
}

const defOf = (schema: z.ZodType): Def => schema.def as unknown as Def

const coreOf = (schema: z.ZodType): Def => {
  const def = defOf(schema)
  const inner = def.innerType ?? def.in
  return inner === undefined ? def : coreOf(inner)
}

const WORDS: Record<string, string> = { string: 'text', int: 'number', number: 'number', boolean: 'true or false' }

const typeOf = ({ type, entries, element }: Def): string => {
  if (type === 'enum') return Object.keys(entries ?? {}).join(', ')
  if (type === 'array' && element !== undefined) return `list of ${typeOf(coreOf(element))}s`
  return WORDS[type] ?? type
}

/** A section is closed; Kubernetes' own types are open. */
const isSection = ({ type, catchall }: Def): boolean => type === 'object' && defOf(catchall as z.ZodType).type === 'never'

export const factsOf = (schema: z.ZodType): Facts => {
  const core = coreOf(schema)
  const { description = '', type } = (schema.meta() ?? {}) as { description?: string; type?: string }
  return {
    about: description,
    type: type ?? typeOf(core),
    keys: isSection(core) ? (core.shape ?? {}) : null,
  }
}
