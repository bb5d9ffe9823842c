/**
 * Runs an image the way a strict cluster does: uid 1000, a read-only root file system, no capability, no new privileges; and with
 * /usr/bin hidden, so that there is no shell. The network is the host's. Where there is only buildah, runc runs what it mounts.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Builder, run } from './builder.ts'

export type Mount = { source: string; destination: string; readOnly: boolean }
export type RunOptions = { builder: Builder; reference: string; env: Record<string, string>; mounts: Mount[]; command?: string[] }
/** `close` ends it with SIGTERM and resolves when it is gone. */
export type Running = { child: ChildProcess; output: () => string; exited: Promise<number | null>; close: () => Promise<void> }

const HIDDEN = '/usr/bin'

const watch = (child: ChildProcess, cleanUp: () => Promise<void>): Running => {
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  const exited = once(child, 'close').then(async ([code]): Promise<number | null> => {
    await cleanUp()
    return code
  })
  return {
    child,
    output: () => output,
    exited,
    close: async () => {
      child.kill('SIGTERM')
      await exited
    },
  }
}

/** docker and podman speak alike. */
const runByEngine = async (options: RunOptions): Promise<Running> => {
  const { builder, reference, env, mounts, command } = options
  const [entrypoint, ...args] = command ?? []
  const flags = [
    ...['run', '--rm', '--init=false', '--network', 'host', '--read-only', '--user', '1000:1000', '--cap-drop', 'ALL'],
    ...['--security-opt', 'no-new-privileges', '--tmpfs', HIDDEN],
    ...Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
    ...mounts.flatMap(({ source, destination, readOnly }) => ['--volume', `${source}:${destination}${readOnly ? ':ro' : ''}`]),
    ...(entrypoint === undefined ? [] : ['--entrypoint', entrypoint]),
  ]
  return watch(spawn(builder, [...flags, reference, ...args], { stdio: ['ignore', 'pipe', 'pipe'] }), async () => {})
}

type ImageConfig = { Env: string[]; Entrypoint: string[]; WorkingDir: string; User: string }

const imageConfig = async (reference: string): Promise<ImageConfig> => {
  const image = JSON.parse(await run('buildah', ['inspect', '--type', 'image', reference])) as { OCIv1: { config: ImageConfig } }
  return image.OCIv1.config
}

/** The bundle of the OCI runtime specification, from runc's own example. */
const bundleOf = async (folder: string, root: string, image: ImageConfig, options: RunOptions): Promise<void> => {
  await run('runc', ['spec', '--bundle', folder])
  const spec = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'))
  const binds = options.mounts.map(({ source, destination, readOnly }) => ({
    ...{ source, destination, type: 'bind' },
    options: ['rbind', readOnly ? 'ro' : 'rw'],
  }))
  const [uid, gid] = image.User.split(':').map(Number)
  spec.root = { path: root, readonly: true }
  spec.process = {
    ...spec.process,
    ...{ terminal: false, user: { uid, gid }, args: options.command ?? image.Entrypoint, cwd: image.WorkingDir },
    ...{ noNewPrivileges: true, capabilities: { bounding: [], effective: [], permitted: [] } },
    env: [...image.Env, ...Object.entries(options.env).map(([name, value]) => `${name}=${value}`)],
    rlimits: [{ type: 'RLIMIT_NOFILE', hard: 4096, soft: 4096 }],
  }
  spec.mounts = [...spec.mounts, { destination: HIDDEN, type: 'tmpfs', source: 'tmpfs', options: ['ro'] }, ...binds]
  spec.linux.namespaces = spec.linux.namespaces.filter(({ type }: { type: string }) => type !== 'network')
  await writeFile(join(folder, 'config.json'), JSON.stringify(spec))
}

const runByRunc = async (options: RunOptions): Promise<Running> => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bundle-'))
  const container = await run('buildah', ['from', '--pull-never', options.reference])
  const cleanUp = async (): Promise<void> => {
    await run('buildah', ['rm', container])
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const root = await run('buildah', ['mount', container])
    await bundleOf(folder, root, await imageConfig(options.reference), options)
  } catch (error) {
    await cleanUp()
    throw error
  }
  const name = `sluice-${folder.slice(-6)}`
  return watch(spawn('runc', ['run', '--bundle', folder, name], { stdio: ['ignore', 'pipe', 'pipe'] }), cleanUp)
}

export const runImage = (options: RunOptions): Promise<Running> =>
  options.builder === 'buildah' ? runByRunc(options) : runByEngine(options)
