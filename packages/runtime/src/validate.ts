/** A zod schema's findings as problems with file, line, key and what was expected. */
import type { core, z } from 'zod'
import { byPlace, ConfigError, formatPath, type Problem } from './config-error.ts'
import type { YamlDocument } from './yaml.ts'

const NAMES: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'keys and values',
  record: 'keys and values',
}

const shown = (value: unknown): string =>
  value === undefined ? '' : typeof value === 'object' && value !== null ? '' : `, not ${JSON.stringify(value)}`

const bound = (issue: core.$ZodRawIssue, word: string, limit: unknown): string => {
  const inclusive = (issue as { inclusive?: boolean }).inclusive !== false
  const than = word === 'least' ? (inclusive ? 'at least' : 'more than') : inclusive ? 'at most' : 'less than'
  const unit = issue.origin === 'array' ? ' entries' : issue.origin === 'string' ? ' characters' : ''
  return `expected ${than} ${String(limit)}${unit}${shown(issue.input)}`
}

/** zod's issues in our words; undefined leaves the schema's own message. */
const explain = (issue: core.$ZodRawIssue): string | undefined => {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined
        ? `expected a value: ${NAMES[issue.expected as string] ?? issue.expected}; the key is missing`
        : `expected ${NAMES[issue.expected as string] ?? issue.expected}${shown(issue.input)}`
    case 'invalid_value':
      return `expected one of ${(issue.values as unknown[]).map(String).join(', ')}${shown(issue.input)}`
    case 'too_small':
      return bound(issue, 'least', issue.minimum)
    case 'too_big':
      return bound(issue, 'most', issue.maximum)
    case 'unrecognized_keys': {
      const shape = (issue.inst as { _zod?: { def?: { shape?: object } } } | undefined)?._zod?.def?.shape
      return `this key is unknown; expected one of ${Object.keys(shape ?? {}).join(', ')}`
    }
    default:
      return undefined
  }
}

/** Of a choice between shapes, the findings of the shape that the value came closest to; of a bad key, what is wrong with it. */
const flatten = (issue: core.$ZodIssue): core.$ZodIssue[] => {
  if (issue.code === 'invalid_key')
    return issue.issues.flatMap((inner) => flatten({ ...inner, path: [...issue.path, ...inner.path] }))
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue]
  const wrongShape = (branch: core.$ZodIssue[]) => branch.some(({ code, path }) => code === 'invalid_type' && path.length === 0)
  const branch = issue.errors.find((one) => !wrongShape(one)) ?? issue.errors[0] ?? []
  return branch.flatMap((inner) => flatten({ ...inner, path: [...issue.path, ...inner.path] }))
}

/**
 * @returns the schema's output
 * @throws ConfigError `config-invalid` with every problem, in the order of the file
 */
export const validate = <Schema extends z.ZodType>(schema: Schema, document: YamlDocument): z.output<Schema> => {
  const result = schema.safeParse(document.data ?? {}, { error: explain, reportInput: true })
  if (result.success) return result.data
  const problems = result.error.issues.flatMap(flatten).flatMap((issue): Problem[] => {
    const at = (path: readonly PropertyKey[], atKey: boolean): Problem => ({
      ...document.placeOf(path, atKey),
      key: formatPath(path),
      message: issue.message,
    })
    return issue.code === 'unrecognized_keys' ? issue.keys.map((key) => at([...issue.path, key], true)) : [at(issue.path, false)]
  })
  throw new ConfigError('config-invalid', problems.toSorted(byPlace))
}
