/**
 * A Python with the readers of requirements.txt, for tests. What is missing is installed: the system's Python when it has them
 * already, else a virtual environment under `.tools/py`; Debian's packages for Python itself, when this runs as root.
 */
import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const TOOLS = join(import.meta.dirname, '..', '..', '.tools', 'py')
const REQUIREMENTS = join(import.meta.dirname, 'requirements.txt')

/** An interpreter and the environment it wants. */
export type Python = { command: string; env: NodeJS.ProcessEnv }

const succeeds = async (command: string, args: string[], env = process.env): Promise<boolean> => {
  try {
    await run(command, args, { env })
    return true
  } catch {
    return false
  }
}

const hasReaders = ({ command, env }: Python): Promise<boolean> => succeeds(command, ['-c', 'import flufl.bounce'], env)

/** Debian keeps venv and pip apart from Python itself. */
const installPython = async (): Promise<void> => {
  const packages = ['python3', 'python3-venv', 'python3-pip']
  if (process.getuid?.() !== 0) throw new Error(`install what the tests need: apt-get install ${packages.join(' ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await run('apt-get', ['update', '-q'], { env })
  await run('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...packages], { env })
}

const PIP = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']

/** A virtual environment, or, where Python has no venv, a folder of modules beside the system's Python. */
const installReaders = async (venv: Python, target: Python): Promise<Python> => {
  if (await succeeds('python3', ['-m', 'venv', join(TOOLS, 'venv')])) {
    await run(venv.command, [...PIP, '-r', REQUIREMENTS])
    return venv
  }
  await run('python3', [...PIP, '--target', join(TOOLS, 'modules'), '-r', REQUIREMENTS])
  return target
}

/** @returns a Python that can import the readers; throws with the reason when it cannot be had */
export const preparePython = async (): Promise<Python> => {
  const system: Python = { command: 'python3', env: process.env }
  const venv: Python = { command: join(TOOLS, 'venv', 'bin', 'python'), env: process.env }
  const target: Python = { command: 'python3', env: { ...process.env, PYTHONPATH: join(TOOLS, 'modules') } }
  for (const python of [system, venv, target]) if (await hasReaders(python)) return python
  await mkdir(TOOLS, { recursive: true })
  const usable =
    (await succeeds('python3', ['-c', 'import venv, ensurepip'])) || (await succeeds('python3', ['-m', 'pip', '--version']))
  if (!usable) await installPython()
  return installReaders(venv, target)
}

/** Runs a script of this folder with `input` on its standard input. @returns what it printed */
export const runPython = (python: Python, script: string, input: Buffer): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = execFile(
      python.command,
      [join(import.meta.dirname, script)],
      { env: python.env, maxBuffer: 16 << 20 },
      (error, stdout, stderr) => (error === null ? resolve(stdout) : reject(new Error(`${script}: ${stderr}`, { cause: error }))),
    )
    child.stdin?.end(input)
  })
