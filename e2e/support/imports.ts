/** What the services of a gateway load: proof that what is switched off costs neither start-up time nor memory. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ServiceName } from './gateway.ts'

/** A module that a process resolved. `main`: what the process runs; `parent`: the module that asked, a URL; '' for the first. */
export type Import = { main: string; parent: string; specifier: string; url: string }
type Service = Exclude<ServiceName, 'redis'>
export const SERVICES: readonly Service[] = ['ingress', 'spooler', 'delivery-agent', 'mailbox']

/** `env` is for the gateway, all of whose processes write into one file. */
export const startImports = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-imports-'))
  const file = join(folder, 'imports')
  const preload = `--import=${pathToFileURL(join(import.meta.dirname, 'note-imports.ts'))}`
  return {
    env: { NODE_OPTIONS: preload, SLUICE_TEST_IMPORTS: file },
    forget: () => writeFile(file, ''),
    /** Of whatever process, the command line included, until now. */
    all: async (): Promise<Import[]> =>
      (await readFile(file, 'utf8'))
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line)),
    stop: () => rm(folder, { recursive: true, force: true }),
  }
}

export const importsOf = (service: ServiceName, imports: readonly Import[]): Import[] =>
  imports.filter(({ main }) => main.includes(`/services/${service}/`))
