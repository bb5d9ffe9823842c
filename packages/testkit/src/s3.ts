/**
 * S3 servers of the test's own, each with one bucket. `s3rver` (npm) keeps objects on disk, so that it can be killed and started
 * again; it knows its key's ID, checks no signatures, and neither lists nor aborts uploads. `moto` (Python, installed by bin/setup.cjs)
 * does both, checks signatures when asked to (`requireSignatures`), and takes no part below 5 MiB, as S3 has it; all is in memory. Both are processes, which can also hang (`freeze`).
 */
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestCertificate } from './certificate.ts'
import { freePort } from './port.ts'
import { type Program, startProgram, waitForPort } from './program.ts'
import { lookInto, type TestBucket } from './s3-bucket.ts'

export type TestS3 = TestBucket & {
  endpoint: string
  bucket: string
  /** Files, each with one half of the key. */
  accessKeyFile: string
  secretKeyFile: string
  start: () => Promise<void>
  kill: () => Promise<void>
  freeze: () => void
  thaw: () => void
  stop: () => Promise<void>
}
export type S3Kind = 's3rver' | 'moto'
type Command = { command: string; args: string[]; prepare: (endpoint: string) => Promise<void> }

const BUCKET = 'mail'
/** Python reads a lot before it listens. */
const START_WITHIN_MS = 60_000
const MOTO = join(import.meta.dirname, '..', '..', '..', '.tools', 'moto')
/** The only keys that s3rver knows; moto takes any. */
const KEY = 'S3RVER'

const s3rverCommand = (port: number, folder: string, isSecure: boolean): Command => {
  const require = createRequire(import.meta.url)
  const program = require.resolve('s3rver/bin/s3rver.js')
  const where = ['-d', join(folder, 'data'), '-a', '127.0.0.1', '-p', String(port)]
  const args = ['--no-deprecation', program, ...where, '--no-vhost-buckets', '--silent', '--configure-bucket', BUCKET]
  if (isSecure) args.push('--cert', join(folder, 'tls.crt'), '--key', join(folder, 'tls.key'))
  return { command: process.execPath, args, prepare: async () => {} }
}

const motoCommand = (port: number, leastPartBytes: number): Command => {
  const venv = join(MOTO, 'venv', 'bin', 'python3')
  const modules = join(MOTO, 'modules')
  const least = `os.environ['S3_UPLOAD_PART_MIN_SIZE'] = '${leastPartBytes}'`
  const run = `import os, sys; ${least}; sys.path.insert(0, ${JSON.stringify(modules)}); from moto.server import main; main(sys.argv[1:])`
  return {
    command: existsSync(venv) ? venv : 'python3',
    args: ['-c', run, '-H', '127.0.0.1', '-p', String(port)],
    prepare: async (endpoint) => {
      const { status } = await fetch(`${endpoint}/${BUCKET}`, { method: 'PUT' })
      if (status !== 200) throw new Error(`moto made no bucket: ${status}`)
    },
  }
}

/**
 * `leastPartBytes`, of moto: what it takes as a part that is not the last. `certificate`, of s3rver: TLS; then the bucket cannot be
 * looked into.
 */
export type S3ServerOptions = { leastPartBytes?: number; certificate?: TestCertificate }

export const startS3 = async (kind: S3Kind, options: S3ServerOptions = {}): Promise<TestS3> => {
  const { leastPartBytes = 5 * 1_048_576, certificate } = options
  const folder = await mkdtemp(join(tmpdir(), 'sluice-s3-'))
  if (certificate !== undefined) {
    await writeFile(join(folder, 'tls.crt'), certificate.cert)
    await writeFile(join(folder, 'tls.key'), certificate.key)
  }
  const [accessKeyFile, secretKeyFile] = [join(folder, 'access-key'), join(folder, 'secret-key')]
  for (const file of [accessKeyFile, secretKeyFile]) await writeFile(file, `${KEY}\n`)
  const port = await freePort()
  const endpoint = `${certificate === undefined ? 'http' : 'https'}://127.0.0.1:${port}`
  let program: Program | undefined
  const start = async (): Promise<void> => {
    const { command, args, prepare } =
      kind === 's3rver' ? s3rverCommand(port, folder, certificate !== undefined) : motoCommand(port, leastPartBytes)
    program = await startProgram(command, args)
    await waitForPort(port, program, START_WITHIN_MS)
    await prepare(endpoint)
  }
  const kill = async (): Promise<void> => {
    await program?.stop('SIGKILL')
    program = undefined
  }
  const signal = (name: NodeJS.Signals) => (): void => void program?.child.kill(name)
  const stop = async (): Promise<void> => {
    await kill()
    await rm(folder, { recursive: true, force: true })
  }
  await start().catch(async (fault: unknown) => {
    await stop()
    throw fault
  })
  return {
    ...lookInto(`${endpoint}/${BUCKET}`, KEY, KEY),
    endpoint,
    bucket: BUCKET,
    accessKeyFile,
    secretKeyFile,
    start,
    kill,
    freeze: signal('SIGSTOP'),
    thaw: signal('SIGCONT'),
    stop,
  }
}
