/**
 * Who may depend on whom. Biome sees to it that every import is declared in the package.json next to it, so the
 * declarations are what has to be right:
 * - a service depends on packages, never on a service; a package depends on packages; only the cli knows the services
 * - no cycles between packages
 * - versions from outside are exact
 * - no relative import leaves its package
 * Exit code 1 lists what breaks a rule.
 *
 *   node e2e/run/check-boundaries.ts [ROOT]    ROOT: another tree than this checkout
 */
import { glob, readFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { findCycle } from './find-cycle.ts'

const ROOT = process.argv[2] ?? join(import.meta.dirname, '..', '..')

type Manifest = { name: string; folder: string; dependencies: Record<string, string>; devDependencies: Record<string, string> }

const readManifests = async (): Promise<Manifest[]> => {
  const manifests: Manifest[] = []
  for await (const file of glob(['{packages,services}/*/package.json', '{e2e,bench,charts}/package.json'], { cwd: ROOT })) {
    const { name, dependencies = {}, devDependencies = {} } = JSON.parse(await readFile(join(ROOT, file), 'utf8'))
    manifests.push({ name, folder: dirname(file), dependencies, devDependencies })
  }
  return manifests
}

const isService = (folder: string): boolean => folder.startsWith('services/')
const mayKnowServices = (folder: string): boolean => folder === 'packages/cli' || folder === 'e2e' || folder === 'bench'

const badDependencies = (manifests: Manifest[]): string[] => {
  const folderOf = new Map(manifests.map(({ name, folder }) => [name, folder]))
  return manifests.flatMap(({ folder, dependencies, devDependencies }) => {
    const all = Object.entries({ ...devDependencies, ...dependencies })
    const services = mayKnowServices(folder) ? [] : all.filter(([name]) => isService(folderOf.get(name) ?? ''))
    const loose = all.filter(([name, version]) => !folderOf.has(name) && !/^\d+\.\d+\.\d+$/.test(version))
    return [
      ...services.map(([name]) => `${folder} depends on the service ${name}`),
      ...loose.map(([name, version]) => `${folder}: the version of ${name} is not exact: ${version}`),
    ]
  })
}

const cycles = (manifests: Manifest[]): string[] => {
  const names = new Set(manifests.map(({ name }) => name))
  const edges = new Map(
    manifests.map(({ name, dependencies }) => [name, Object.keys(dependencies).filter((to) => names.has(to))]),
  )
  const cycle = findCycle(edges)
  return cycle === null ? [] : [`packages depend on each other in a circle: ${cycle.join(' → ')}`]
}

const strayImports = async (manifests: Manifest[]): Promise<string[]> => {
  const stray: string[] = []
  for (const { folder } of manifests) {
    for await (const file of glob(`${folder}/**/*.ts`, { cwd: ROOT, exclude: ['**/node_modules/**'] })) {
      const source = await readFile(join(ROOT, file), 'utf8')
      for (const [, path = ''] of source.matchAll(/^(?:import|export|\}).*'(\.[^']*)'$/gm)) {
        const target = relative(join(ROOT, folder), resolve(ROOT, dirname(file), path))
        if (target.startsWith('..')) stray.push(`${file} imports ${path}, which is another package's`)
      }
    }
  }
  return stray
}

const manifests = await readManifests()
const problems = [...badDependencies(manifests), ...cycles(manifests), ...(await strayImports(manifests))]
for (const problem of problems) console.error(problem)
console.log(`${manifests.length} packages and services, ${problems.length} broken boundaries`)
process.exitCode = problems.length === 0 ? 0 : 1
