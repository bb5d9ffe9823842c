/**
 * The previous version, from this repository's own history, beside the checkout: what stands at its commit is unpacked into a temporary
 * folder, and its npm packages are installed as its own lock file names them.
 *
 * PREVIOUS is the last commit of the previous version. Move it at each release, in the first change after it: to the commit that was
 * released. What that version does not know must not stand in the configs of these scenarios.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runProgram } from '../support/gateway.ts'

const PREVIOUS = '984184225c3483b7c62a77f5b23226f63f2637f1'

const ROOT = join(import.meta.dirname, '..', '..')
const INSTALL_WITHIN_MS = 240_000
const { ensurePnpm } = createRequire(import.meta.url)('../../bin/setup/workspace.cjs') as { ensurePnpm: () => Promise<string> }

export type PreviousVersion = { tree: string; stop: () => Promise<void> }

const mustRun = async (what: string, file: string, args: string[]): Promise<void> => {
  const { code, stdout, stderr } = await runProgram(file, args, { timeoutMs: INSTALL_WITHIN_MS })
  if (code !== 0) throw new Error(`${what}: ${(stderr + stdout).trim().split('\n').slice(-10).join('\n')}`)
}

/** @throws when the history does not reach back so far, or its packages cannot be installed */
export const preparePrevious = async (): Promise<PreviousVersion> => {
  const known = await runProgram('git', ['-C', ROOT, 'cat-file', '-e', `${PREVIOUS}^{commit}`])
  if (known.code !== 0) {
    throw new Error(
      `the previous version, commit ${PREVIOUS}, is not in this clone's history; \`git fetch --unshallow\` brings it`,
    )
  }
  const tree = await mkdtemp(join(tmpdir(), 'sluice-previous-'))
  const stop = (): Promise<void> => rm(tree, { recursive: true, force: true })
  try {
    const unpack = 'git -C "$1" archive "$2" | tar -x -C "$3"'
    await mustRun('the previous version cannot be unpacked', 'sh', ['-c', unpack, 'sh', ROOT, PREVIOUS, tree])
    const flags = ['--prod', '--frozen-lockfile', '--prefer-offline', '--ignore-scripts', '--reporter=append-only']
    const install = [await ensurePnpm(), '--dir', tree, 'install', ...flags]
    await mustRun('the packages of the previous version cannot be installed', join(ROOT, 'bin', 'node'), install)
    return { tree, stop }
  } catch (fault) {
    await stop()
    throw fault
  }
}
