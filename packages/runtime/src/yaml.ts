/**
 * YAML with line numbers, and values from the environment: `${NAME}` must be set, `${NAME:-default}` need not be, `$${` is a
 * literal `${`. A list's entry that comes out empty is left out. Only values are filled in, never keys, and what is filled in
 * is never read as YAML again, so that a value can change a setting but not the shape of the file.
 */
import { isMap, isScalar, LineCounter, type Node, parseDocument, Scalar, visit } from 'yaml'
import { ConfigError, type Problem } from './config-error.ts'

export type Place = {
  file: string
  /** 1-based. */
  line: number
}

export type YamlDocument = {
  /** Plain data; null for an empty file. */
  data: unknown
  /** Where the value stands, or its key with `atKey`, or the nearest place above it that exists. */
  placeOf: (path: readonly PropertyKey[], atKey?: boolean) => Place
}

const VARIABLE = /\$(\$\{)|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g

const fill = (text: string, env: NodeJS.ProcessEnv, missing: (name: string) => void): string =>
  text.replace(VARIABLE, (_all, escaped: string | undefined, name: string, fallback: string | undefined) => {
    if (escaped !== undefined) return escaped
    const value = env[name]
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value
    if (value === undefined) missing(name)
    return value ?? ''
  })

/** An unquoted value that was filled in may be a number or a truth value, as if it had been written there. */
const typed = (text: string): string | number | boolean => {
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text)
  return text === 'true' ? true : text === 'false' ? false : text
}

/**
 * @param fileName for messages
 * @throws ConfigError `config-syntax` (bad YAML) or `config-environment` (a variable that is not set)
 */
export const loadYaml = (text: string, fileName: string, env: NodeJS.ProcessEnv): YamlDocument => {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true })
  const lineAt = (offset: number | undefined): number => Math.max(1, lines.linePos(offset ?? 0).line)
  const problem = (offset: number | undefined, message: string): Problem => ({
    file: fileName,
    line: lineAt(offset),
    key: '',
    message,
  })
  if (document.errors.length > 0) {
    throw new ConfigError(
      'config-syntax',
      document.errors.map((error) => problem(error.pos[0], `expected YAML: ${error.message}`)),
    )
  }
  const unset: Problem[] = []
  visit(document, {
    Scalar: (key, node) => {
      if (key === 'key' || typeof node.value !== 'string' || !node.value.includes('${')) return undefined
      const missing = (name: string) =>
        unset.push(problem(node.range?.[0], `expected the environment variable ${name} to be set, or a default: \${${name}:-…}`))
      const filled = fill(node.value, env, missing)
      if (filled === '' && typeof key === 'number') return visit.REMOVE
      node.value = node.type === Scalar.PLAIN ? typed(filled) : filled
      return undefined
    },
  })
  if (unset.length > 0) throw new ConfigError('config-environment', unset)

  const lineOf = (path: readonly PropertyKey[], atKey = false): number => {
    const parent = path.length === 0 ? null : nodeAt(document.contents, path.slice(0, -1))
    const pair = isMap(parent)
      ? parent.items.find(({ key }) => isScalar(key) && String(key.value) === String(path.at(-1)))
      : undefined
    if (pair !== undefined && (atKey || !nodeAt(document.contents, path))) return lineAt((pair.key as Scalar).range?.[0])
    const node = nodeAt(document.contents, path)
    return node?.range ? lineAt(node.range[0]) : path.length === 0 ? 1 : lineOf(path.slice(0, -1))
  }
  const placeOf = (path: readonly PropertyKey[], atKey = false): Place => ({ file: fileName, line: lineOf(path, atKey) })
  return { data: document.toJS() ?? null, placeOf }
}

const nodeAt = (root: Node | null, path: readonly PropertyKey[]): Node | null => {
  let node: unknown = root
  for (const part of path) {
    const collection = node as { get?: (key: unknown, keepScalar: boolean) => unknown } | null | undefined
    if (typeof collection?.get !== 'function') return null
    node = collection.get(part, true)
  }
  return (node ?? null) as Node | null
}
