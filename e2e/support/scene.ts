/**
 * What the scenario of a file plays with: far ends, a gateway, a look into its spool. Each is started before the first test, in the
 * order of the calls, and stopped after the last one, in reverse; what did not start need not be stopped.
 */
import { type FarEnd, type FarEndOptions, startFarEnd } from '@sluice/testkit'
import { afterAll, beforeAll } from 'vitest'
import { type Python, preparePython } from '../tools/python.ts'
import { type Sluice, startSluice } from './gateway.ts'
import { openSpool, type Spool } from './spool.ts'

type Stoppable = { stop?: () => unknown }

/** @returns an object that is empty until `start` has resolved, and is then filled with what it gave: usable in tests and later hooks */
export const useStarted = <T extends object>(start: () => Promise<T>, timeoutMs?: number): T => {
  const part = {} as T & Stoppable
  beforeAll(async () => void Object.defineProperties(part, Object.getOwnPropertyDescriptors(await start())), timeoutMs)
  afterAll(async () => void (await part.stop?.()))
  return part
}

export const useFarEnd = (options?: FarEndOptions): FarEnd => useStarted(() => startFarEnd(options))

/** @param config a function, as it may name ports that are known only once the parts before it have started */
export const useSluice = (config: () => string | Promise<string>): Sluice =>
  useStarted(async () => startSluice({ config: await config() }))

export const useSpool = (sluice: Sluice): Spool => useStarted(() => openSpool(sluice.folder))

/** Installs Python's readers where they are missing, which takes its time. */
export const usePython = (): Python => useStarted(preparePython, 300_000)

/** The config's route of all mail to one far end, whatever its domain. @param more of the route: `connections: 1` */
export const allTo = (far: FarEnd, more?: string): string =>
  `routes: [{ name: far, match: ["*"], type: smtp, hosts: ["127.0.0.1:${far.port}"]${more === undefined ? '' : `, ${more}`} }]`

/** A config's line of a route to a far end, for the domain of the same name. */
export const routeTo = (name: string, far: FarEnd, more?: string): string =>
  `  - { name: ${name}, match: [${name}.test], type: smtp, hosts: ["127.0.0.1:${far.port}"]${more === undefined ? '' : `, ${more}`} }`

/** A config's routes to far ends, each by the name of its domain without `.test`. */
export const routesTo = (fars: Record<string, FarEnd>, more?: string): string =>
  ['routes:', ...Object.entries(fars).map(([name, far]) => routeTo(name, far, more))].join('\n')

/** The config of a domain of our own, own.test, where anna has a folder. */
export const ANNA = `
domains: [{ name: own.test, route: local }]
accounts: [{ address: anna@own.test }]`

/** anna has a folder, and all other mail goes to one far end. */
export const annaAndAllTo = (far: FarEnd): string => `${ANNA}
routes:
  - { name: local, type: local }
  - { name: far, match: ["*"], type: smtp, hosts: ["127.0.0.1:${far.port}"] }`
