/**
 * JSON schema made from zod, as Helm understands it. Our own notes of types (`duration`, `Probe`) become JSON's types, and a
 * variable of the config, `${NAME}`, may stand where a number, truth value or word is expected. Pure.
 */
export type Json = Record<string, unknown>

export const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

const TYPES = new Set(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'])
/** Texts that may be written as a bare number. */
const ALSO_NUMBERS = new Set(['size', 'address', 'percentage'])
/** As the services read them, or from the environment. The chart reckons with one of them, so that all have their unit. */
const DURATION = String.raw`^ *(0|\d+(\.\d+)? ?(ms|s|m|min|h|d)) *$|\$\{`
/** Notes of our schema that JSON schema does not know, and defaults, which stand in values.yaml. */
const NOTES = new Set(['example', 'title', 'default'])
/** Helm reads YAML 1.1, in which `off` without quotes is false; the templates write it as a word again. */
const OFF = false

const plainType = (type: unknown): unknown => {
  if (Array.isArray(type)) return [...new Set(type.flatMap(plainType))]
  if (typeof type !== 'string' || TYPES.has(type)) return type
  return ALSO_NUMBERS.has(type) ? ['string', 'number'] : 'string'
}

/** Our words for types become JSON's; where alternatives or members say it, they say it better. */
const withPlainType = (node: Json): Json => {
  const { type, ...rest } = node
  if (type === undefined || (typeof type === 'string' && TYPES.has(type))) return node
  if ('anyOf' in node || 'enum' in node) return rest
  if ([type].flat().includes('duration')) return { ...rest, type: plainType(type), pattern: DURATION }
  if ('items' in node) return { ...rest, type: 'array' }
  return 'properties' in node || 'additionalProperties' in node ? { ...rest, type: 'object' } : { ...rest, type: plainType(type) }
}

const withOff = (node: Json): Json => {
  const words = node.enum
  return Array.isArray(words) && words.includes('off') ? { ...node, type: ['string', 'boolean'], enum: [...words, OFF] } : node
}

/** The largest safe integer is no limit that anybody meant. */
const withoutVastLimits = ({ maximum, ...node }: Json): Json =>
  maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? node : { ...node, maximum }

export type CleanOptions = {
  /** Whether what keys mean stays in it. */
  descriptions: boolean
  /** Whether `${NAME}` may stand for a number, truth value or word. */
  variables: boolean
}

const VARIABLE = { type: 'string', pattern: '\\$\\{' }

const orVariable = (node: Json): Json =>
  ['integer', 'number', 'boolean'].includes(String(node.type)) || 'enum' in node ? { anyOf: [node, VARIABLE] } : node

/** @param value a JSON schema, or a part of one */
export const cleanSchema = (value: unknown, options: CleanOptions): unknown => {
  if (Array.isArray(value)) return value.map((one) => cleanSchema(one, options))
  if (!isJson(value)) return value
  const kept = Object.entries(value).filter(([key]) => !NOTES.has(key) && (options.descriptions || key !== 'description'))
  const cleaned = kept.map(([key, one]) => {
    if (key === 'enum' || key === 'type' || key === 'required') return [key, one]
    if (key !== 'properties' || !isJson(one)) return [key, cleanSchema(one, options)]
    return [key, Object.fromEntries(Object.entries(one).map(([name, below]) => [name, cleanSchema(below, options)]))]
  })
  const node = withoutVastLimits(withOff(withPlainType(Object.fromEntries(cleaned))))
  return options.variables ? orVariable(node) : node
}
