/** From a file to a checked config, or to every problem that stands in the way. */
import { readFile } from 'node:fs/promises'
import { hostname as machineName } from 'node:os'
import { resolve } from 'node:path'
import { ConfigError, loadYaml, validate, type YamlDocument } from '@sluice/runtime'
import { certificateWarnings } from './certificate-checks.ts'
import { checkConfig, warningsOf } from './checks.ts'
import { baseDirOf, type Config, readSecret, resolveConfig } from './config.ts'
import { DEFAULT_CONFIG } from './default-config.ts'
import { shippedReplyRules } from './reply-rules.ts'
import { configSchema } from './schema.ts'

const read = async (file: string): Promise<string> => {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigError('config-unreadable', [{ file, line: null, key: '', message: `expected a readable file: ${reason}` }], {
      cause,
    })
  }
}

/**
 * @param file the YAML file; null: the built-in default of `npm start`
 * @param options.dataDir where content and mailboxes lie unless the config says otherwise; default `data` in the working folder
 * @throws ConfigError with every problem found: file, line, key, and what was expected
 */
export const loadConfig = async (
  file: string | null,
  env: NodeJS.ProcessEnv,
  options: { dataDir?: string } = {},
): Promise<Config> => {
  const document: YamlDocument = loadYaml(file === null ? DEFAULT_CONFIG : await read(file), file ?? 'built-in config', env)
  const written = validate(configSchema, document)
  const baseDir = baseDirOf(file)
  const shippedRules = await shippedReplyRules()
  const problems = await checkConfig(written, document, { baseDir, shippedRules: shippedRules.map(({ name }) => name) })
  if (problems.length > 0) throw new ConfigError('config-invalid', problems)
  return resolveConfig(written, {
    baseDir,
    dataDir: resolve(options.dataDir ?? 'data'),
    warnings: [
      ...warningsOf(written, written.hostname ?? machineName()),
      ...(await certificateWarnings(written, baseDir, Date.now())),
    ],
    secret: readSecret(baseDir),
    shippedRules,
  })
}
