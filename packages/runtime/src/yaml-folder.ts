/**
 * Several YAML files as one: the lists at the top (`routes`, `policies`) follow one another in the order of the files, sections are
 * joined key by key, and a value that stands in two files is an error that names both places: nothing wins silently.
 */
import { ConfigError, formatPath, type Problem } from './config-error.ts'
import type { Place, YamlDocument } from './yaml.ts'

type Section = Record<string, unknown>
/** A list at the top, as its files have it. */
type Part = { document: YamlDocument; from: number; length: number }

const isSection = (value: unknown): value is Section =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)

/** How many steps of a path exist. */
const depthOf = (data: unknown, path: readonly PropertyKey[]): number => {
  let value = data
  for (const [depth, step] of path.entries()) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return depth
    value = (value as Record<PropertyKey, unknown>)[step]
  }
  return path.length
}

const deepest = (documents: readonly YamlDocument[], path: readonly PropertyKey[]): YamlDocument | undefined =>
  documents.reduce<YamlDocument | undefined>(
    (best, each) => (best === undefined || depthOf(each.data, path) > depthOf(best.data, path) ? each : best),
    undefined,
  )

const textOf = ({ file, line }: Place): string => `${file}:${line}`

/**
 * @param documents in their order; each empty, or with keys at the top
 * @throws ConfigError `config-invalid`: a value stands in several files, or a file holds no keys
 */
export const mergeYaml = (documents: readonly YamlDocument[]): YamlDocument => {
  const problems: Problem[] = []
  const parts = new Map<string, Part[]>()
  const merged: Section = {}

  const join = (into: Section, from: Section, path: string[], document: YamlDocument): void => {
    for (const [key, value] of Object.entries(from)) {
      const [here, before] = [[...path, key], into[key]]
      if (!Object.hasOwn(into, key)) into[key] = isSection(value) ? structuredClone(value) : value
      else if (isSection(before) && isSection(value)) join(before, value, here, document)
      else if (path.length === 0 && Array.isArray(before) && Array.isArray(value)) into[key] = [...before, ...value]
      else {
        const first = deepest(documents.slice(0, documents.indexOf(document)), here)
        const also = first === undefined ? '' : `; it stands at ${textOf(first.placeOf(here, true))}, too`
        problems.push({ ...document.placeOf(here, true), key: formatPath(here), message: `expected in one file${also}` })
      }
      if (path.length > 0 || !Array.isArray(value)) continue
      const list = parts.get(key) ?? []
      parts.set(key, [...list, { document, from: list.reduce((sum, { length }) => sum + length, 0), length: value.length }])
    }
  }

  for (const document of documents) {
    if (isSection(document.data)) join(merged, document.data, [], document)
    else if (document.data !== null) problems.push({ ...document.placeOf([]), key: '', message: 'expected keys and values' })
  }
  if (problems.length > 0) throw new ConfigError('config-invalid', problems)

  const placeOf = (path: readonly PropertyKey[], atKey = false): Place => {
    const [key, index, ...rest] = path
    const part =
      typeof index === 'number'
        ? parts.get(String(key))?.find(({ from, length }) => index >= from && index < from + length)
        : undefined
    if (part !== undefined) return part.document.placeOf([key as string, Number(index) - part.from, ...rest], atKey)
    return deepest(documents, path)?.placeOf(path, atKey) ?? { file: '', line: 1 }
  }
  return { data: merged, placeOf }
}
