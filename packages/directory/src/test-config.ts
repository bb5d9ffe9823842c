/** For tests: a config from its text, through a real file. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Config } from './config.ts'
import { loadConfig } from './load-config.ts'

export const withFile = async <T>(text: string, use: (file: string, folder: string) => Promise<T>): Promise<T> => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-config-'))
  try {
    const file = join(folder, 'sluice.yaml')
    await writeFile(file, text)
    return await use(file, folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export const loadText = (text: string, env: NodeJS.ProcessEnv = {}): Promise<Config> =>
  withFile(text, (file) => loadConfig(file, env))
