/**
 * Haraka with its disk queue: bench/peers/haraka says how it is tuned, and why. It is no dependency of Sluice: the bench installs
 * it into `.tools` when it is first compared with, and it runs on the Node.js that Sluice runs on.
 */
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, runProgram, startProgram, waitForPort } from '@sluice/testkit'
import type { ProcessFigures } from '../support/processes.ts'
import type { Contender } from './contender.ts'

const VERSION = '3.3.4'
const CONFIG = join(import.meta.dirname, '..', 'peers', 'haraka')
const PREFIX = join(import.meta.dirname, '..', '..', '.tools', 'haraka')
const PACKAGE = join(PREFIX, 'node_modules', 'Haraka')

const installedVersion = async (): Promise<string | null> => {
  const text = await readFile(join(PACKAGE, 'package.json'), 'utf8').catch(() => null)
  return text === null ? null : String(JSON.parse(text).version)
}

const install = async (): Promise<void> => {
  if ((await installedVersion()) === VERSION) return
  console.log(`Fetching Haraka ${VERSION} into .tools …`)
  // Without scripts: what they would build is a plugin that is not used here.
  const quiet = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']
  await runProgram('npm', ['install', '--prefix', PREFIX, ...quiet, `Haraka@${VERSION}`])
  if ((await installedVersion()) !== VERSION) throw new Error(`Haraka ${VERSION} is not to be found in ${PREFIX}`)
}

/** Copies the config and fills in what is known only now. */
const writeConfig = async (folder: string, values: Record<string, string>): Promise<void> => {
  const config = join(folder, 'config')
  await cp(CONFIG, config, { recursive: true })
  for (const folderName of ['queue', 'spool']) await mkdir(join(folder, folderName))
  for (const name of await readdir(config)) {
    const text = await readFile(join(config, name), 'utf8')
    await writeFile(
      join(config, name),
      text.replaceAll(/\$([A-Z]+)/g, (whole, key: string) => values[key] ?? whole),
    )
  }
}

/** The cluster's master was started by its path; its workers give themselves a title. */
const stageOf = ({ command }: ProcessFigures): string => (command.includes('bin/haraka -c') ? 'master' : 'workers')

export const haraka: Contender = {
  name: 'Haraka',
  durability: 'its disk queue: every file synced, its folder not',
  prepare: install,
  start: async ({ folder, sinkPort }) => {
    const port = await freePort()
    await writeConfig(folder, { PORT: String(port), SINK: String(sinkPort), FOLDER: folder })
    const program = await startProgram(process.execPath, [join(PACKAGE, 'bin', 'haraka'), '-c', folder])
    await waitForPort(port, program)
    return { port, root: program.child.pid as number, stageOf, redisCalls: null, stop: () => program.stop('SIGTERM') }
  },
}
