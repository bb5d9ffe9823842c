/**
 * Where a config lies: one YAML file, or a folder whose `*.yaml` and `*.yml` are one config together, in the order of their names.
 * Hidden files are left out, and so are `..data` and its like, which Kubernetes keeps beside the files of a mounted ConfigMap.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { ConfigError, loadYaml, mergeYaml, type YamlDocument } from '@sluice/runtime'
import { DEFAULT_CONFIG } from './default-config.ts'

const isFolder = async (place: string): Promise<boolean> => (await stat(place)).isDirectory()

/** The files of a config, in their order. */
const filesOf = async (place: string): Promise<string[]> => {
  if (!(await isFolder(place))) return [place]
  const names = (await readdir(place)).filter((name) => /^[^.].*\.ya?ml$/.test(name))
  return names.sort().map((name) => join(place, name))
}

const unreadable = (file: string, cause: unknown): ConfigError => {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new ConfigError('config-unreadable', [{ file, line: null, key: '', message: `expected a readable file: ${reason}` }], {
    cause,
  })
}

const readTexts = async (place: string): Promise<{ file: string; text: string }[]> => {
  const files = await filesOf(place).catch((cause: unknown) => {
    throw unreadable(place, cause)
  })
  if (files.length === 0)
    throw new ConfigError('config-unreadable', [
      { file: place, line: null, key: '', message: 'expected a folder with *.yaml files' },
    ])
  return Promise.all(
    files.map(async (file) => {
      const text = await readFile(file, 'utf8').catch((cause: unknown) => {
        throw unreadable(file, cause)
      })
      return { file, text }
    }),
  )
}

export type ConfigText = {
  document: YamlDocument
  /** The folder against which the files named in it are found. */
  baseDir: string
}

/**
 * @param place null: the built-in config
 * @throws ConfigError what cannot be read, is no YAML, or stands in two files
 */
export const readConfig = async (place: string | null, env: NodeJS.ProcessEnv): Promise<ConfigText> => {
  if (place === null) {
    return { document: loadYaml(DEFAULT_CONFIG, 'built-in config', env), baseDir: process.cwd() }
  }
  const texts = await readTexts(place)
  const documents = texts.map(({ file, text }) => loadYaml(text, file, env))
  const [only] = documents
  const folder = await isFolder(place)
  return {
    document: folder || only === undefined ? mergeYaml(documents) : only,
    baseDir: folder ? resolve(place) : dirname(resolve(place)),
  }
}

/** An editor may leave nothing for a moment, and nothing is a config, too: one without routes. */
export const refuseEmpty = async (place: string): Promise<void> => {
  const texts = await readTexts(place)
  if (texts.some(({ text }) => text.trim() !== '')) return
  throw new ConfigError('config-invalid', [{ file: place, line: 1, key: '', message: 'expected a config; the file is empty' }])
}

/** @param more files besides, whose content counts, too; one that is missing counts as such */
export const digestOf = async (place: string, more: readonly string[]): Promise<string> => {
  const files = await filesOf(place).catch(() => [place])
  const hash = createHash('sha256')
  for (const file of [...files, ...more]) {
    const content = await readFile(file).catch(() => null)
    hash.update(`${file}\0${content?.length ?? 'unreadable'}\0`).update(content ?? '')
  }
  return hash.digest('hex')
}
