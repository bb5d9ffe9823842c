/** docker, podman or buildah: which of them works here, and the few things that they are asked to do. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { type ImageOptions, ROOT, referenceOf, version } from './options.ts'

export type Builder = 'docker' | 'podman' | 'buildah'

const MEGABYTES = 1024 * 1024

export const run = async (command: string, args: string[]): Promise<string> =>
  (await promisify(execFile)(command, args, { cwd: ROOT, maxBuffer: 64 * MEGABYTES })).stdout.trim()

/** What fails when the tool is there, and its daemon is not. */
const PROBES: [Builder, string[]][] = [
  ['docker', ['version', '--format', '{{.Server.Version}}']],
  ['podman', ['info', '--format', '{{.Version.Version}}']],
  ['buildah', ['info']],
]

/** @throws when none works, or the one that is wanted does not */
export const findBuilder = async (wanted: string | undefined): Promise<Builder> => {
  const candidates = PROBES.filter(([name]) => wanted === undefined || name === wanted)
  for (const [name, args] of candidates)
    if (
      await run(name, args).then(
        () => true,
        () => false,
      )
    )
      return name
  const names = wanted ?? PROBES.map(([name]) => name).join(', ')
  throw new Error(`no builder works here (${names}): is it installed, and does its daemon run?`)
}

/** What a build says is shown only when it fails. @throws with it */
const quietly = async (command: string, args: string[]): Promise<void> => {
  const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
  const said: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => void said.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => void said.push(chunk))
  const [code] = await once(child, 'close')
  if (code === 0) return
  throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${Buffer.concat(said).toString().trim()}`)
}

const revision = (): Promise<string> => run('git', ['rev-parse', 'HEAD']).catch(() => 'unknown')

/** Builds one image. The last steps alone differ between services: the rest comes from the builder's cache. */
export const build = async (builder: Builder, options: ImageOptions, service: string): Promise<void> => {
  const given = { SERVICE: service, VERSION: await version(), REVISION: await revision(), BASE_IMAGE: options.base }
  const args = Object.entries(given).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`])
  const layers = builder === 'docker' ? [] : ['--layers']
  const file = ['-f', 'Dockerfiles/service.Dockerfile', '-t', referenceOf(options, service)]
  await quietly(builder, ['build', ...layers, ...options.flags, ...args, ...file, '.'])
}

export const push = (builder: Builder, reference: string): Promise<void> => quietly(builder, ['push', reference])

/** @param command split at spaces; the references are added */
export const load = (command: string, references: string[]): Promise<void> => {
  const [program = '', ...args] = command.split(' ').filter((word) => word !== '')
  return quietly(program, [...args, ...references])
}
