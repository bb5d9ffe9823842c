/** What `npm run images` is asked for, and how its images are called. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

export const ROOT = join(import.meta.dirname, '..', '..')

export const HELP = `npm run images [-- OPTIONS [-- FLAGS OF THE BUILDER]]

Builds the image of every service: [REGISTRY/]REPOSITORY/SERVICE:TAG, one tag for all.

  --tool NAME        docker, podman or buildah; without it the first of them that works
  --registry HOST    docker.io without it, as everywhere
  --repository NAME  sluice without it
  --tag TAG          the version of package.json without it
  --service NAME     this one only; may be given several times
  --base IMAGE       instead of node:24-bookworm-slim
  --push             to the registry, once they are built
  --load COMMAND     run with all the names behind it once they are built, e.g. 'kind load docker-image'
  --check            size over the base image, start on a read-only file system, and the command line, measured and judged
  --no-build         only what comes after the build

The environment may bring flags of the builder, too: SLUICE_BUILD_FLAGS='--network host'.
`

export type ImageOptions = {
  tool: string | undefined
  registry: string
  repository: string
  tag: string
  services: string[]
  base: string
  push: boolean
  load: string | undefined
  check: boolean
  build: boolean
  flags: string[]
}

export const BASE_IMAGE = 'docker.io/library/node:24-bookworm-slim'

const OPTIONS = {
  tool: { type: 'string' },
  registry: { type: 'string', default: 'docker.io' },
  repository: { type: 'string', default: 'sluice' },
  tag: { type: 'string' },
  service: { type: 'string', multiple: true },
  base: { type: 'string', default: BASE_IMAGE },
  push: { type: 'boolean', default: false },
  load: { type: 'string' },
  check: { type: 'boolean', default: false },
  'no-build': { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

export const version = async (): Promise<string> =>
  (JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version

/** Every folder below services/ is one. */
const allServices = async (): Promise<string[]> => (await readdir(join(ROOT, 'services'))).sort()

/** null: help is wanted. @throws in words on what it does not know */
export const readOptions = async (argv: string[], env: NodeJS.ProcessEnv): Promise<ImageOptions | null> => {
  const { values, positionals } = parseArgs({ args: argv, options: OPTIONS, allowPositionals: true })
  if (values.help) return null
  const services = await allServices()
  const stray = values.service?.find((name) => !services.includes(name))
  if (stray !== undefined) throw new Error(`there is no service ${stray}: ${services.join(', ')}`)
  const { tool, registry, repository, base, push, load, check } = values
  const flags = [...(env.SLUICE_BUILD_FLAGS ?? '').split(' ').filter((word) => word !== ''), ...positionals]
  const tag = values.tag ?? (await version())
  const build = !values['no-build']
  return { tool, registry, repository, tag, services: values.service ?? services, base, push, load, check, build, flags }
}

export const referenceOf = (options: Pick<ImageOptions, 'registry' | 'repository' | 'tag'>, service: string): string =>
  `${options.registry}/${options.repository}/${service}:${options.tag}`
