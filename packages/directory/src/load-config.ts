/** From a file to a checked config, or to every problem that stands in the way. */
import { hostname as machineName } from 'node:os'
import { resolve } from 'node:path'
import { ConfigError, validate } from '@sluice/runtime'
import { certificateWarnings } from './certificate-checks.ts'
import { checkConfig, warningsOf } from './checks.ts'
import { type Config, readSecret, resolveConfig } from './config.ts'
import { readConfig } from './config-files.ts'
import { shippedReplyRules } from './reply-rules.ts'
import { configSchema } from './schema.ts'

/**
 * @param file the YAML file, or a folder of them; null: the built-in default of `npm start`
 * @param options.dataDir where content and mailboxes lie unless the config says otherwise; default `data` in the working folder
 * @throws ConfigError with every problem found: file, line, key, and what was expected
 */
export const loadConfig = async (
  file: string | null,
  env: NodeJS.ProcessEnv,
  options: { dataDir?: string } = {},
): Promise<Config> => {
  const { document, baseDir } = await readConfig(file, env)
  const written = validate(configSchema, document)
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
