/**
 * Turns the sources of every package and service into JavaScript, for an image: Node.js strips types as it starts, but not below
 * node_modules. It is the same stripping, done once: lines and columns stay where they are, so that a stack trace points into the
 * sources. `src/` becomes `dist/`; what is not TypeScript (scripts in Lua, shipped rules) is copied beside it, and package.json
 * points there.
 *
 *   node Dockerfiles/build/compile.ts ROOT    ROOT is changed: never a checkout that somebody works in
 *
 * Guarantees: every relative import in the result leads to a file, or the exit code is 1.
 */
import { cp, glob, mkdir, readFile, writeFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, join, resolve } from 'node:path'

type Manifest = Record<string, unknown> & { exports: Record<string, string> }

const SPECIFIER = /(\bfrom |\bimport |\bimport\()'(\.[^'\n]*)\.ts'/g
const IMPORT = /(?:^(?:import|export|\}) ?.*|\bimport\()'(\.{1,2}\/[^'\n]*)'/gm

/** The code without its types, and with relative imports of what it becomes. */
const toJavaScript = (source: string): string =>
  stripTypeScriptTypes(source).replace(SPECIFIER, (_whole, before: string, path: string) => `${before}'${path}.js'`)

const isTest = (file: string): boolean => file.endsWith('.test.ts') || file.includes('test-support/')

const compileFolder = async (from: string, to: string): Promise<string[]> => {
  const written: string[] = []
  for await (const entry of glob('**/*', { cwd: from, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = join(entry.parentPath, entry.name)
    if (isTest(file)) continue
    const target = join(to, file.slice(from.length + 1)).replace(/\.ts$/, '.js')
    await mkdir(dirname(target), { recursive: true })
    if (file.endsWith('.ts')) await writeFile(target, toJavaScript(await readFile(file, 'utf8')))
    else await cp(file, target)
    written.push(target)
  }
  return written
}

const pointAtDist = async (file: string): Promise<void> => {
  const manifest = JSON.parse(await readFile(file, 'utf8')) as Manifest
  const entries = Object.entries(manifest.exports).map(([name, path]) => [
    name,
    path.replace('./src/', './dist/').replace(/\.ts$/, '.js'),
  ])
  await writeFile(file, `${JSON.stringify({ ...manifest, exports: Object.fromEntries(entries), files: ['dist'] }, null, 2)}\n`)
}

/** Relative imports that lead nowhere, as text. */
const brokenImports = async (files: string[]): Promise<string[]> => {
  const there = new Set(files)
  const broken: string[] = []
  for (const file of files.filter((name) => name.endsWith('.js'))) {
    const source = await readFile(file, 'utf8')
    for (const [, path = ''] of source.matchAll(IMPORT))
      if (!there.has(resolve(dirname(file), path))) broken.push(`${file}: ${path}`)
  }
  return broken
}

const main = async (root: string): Promise<number> => {
  const written: string[] = []
  for await (const file of glob('{packages,services}/*/package.json', { cwd: root })) {
    const folder = dirname(resolve(root, file))
    written.push(...(await compileFolder(join(folder, 'src'), join(folder, 'dist'))))
    await pointAtDist(join(folder, 'package.json'))
  }
  const broken = await brokenImports(written)
  for (const line of broken) console.error(`leads nowhere: ${line}`)
  console.log(`${written.length} files, ${broken.length} broken imports`)
  return broken.length === 0 && written.length > 0 ? 0 : 1
}

process.exitCode = await main(process.argv[2] ?? '.')
