/**
 * Makes a deployed command line ready for an image: START/SERVICE.js for every service in it, which is what its image runs, and
 * START/sluice, the command line as a program that needs no shell. What nobody reads at run time goes: maps, type declarations,
 * the pages of packages. Their licences stay.
 *
 *   node Dockerfiles/build/arrange.ts APP START    APP: what `pnpm deploy` wrote; in the image it is /app
 */
import { access, glob, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const NEEDLESS = ['map', 'd.ts', 'd.mts', 'd.cts', 'md', 'markdown']
const isLicence = (name: string): boolean => /^(licen[cs]e|copying|notice)/i.test(name)

const trim = async (app: string): Promise<number> => {
  let removed = 0
  for await (const entry of glob(`node_modules/.pnpm/**/*.{${NEEDLESS.join(',')}}`, { cwd: app, withFileTypes: true })) {
    if (!entry.isFile() || isLicence(entry.name)) continue
    await rm(join(entry.parentPath, entry.name))
    removed += 1
  }
  return removed
}

const servicesOf = async (app: string): Promise<string[]> => {
  const services: string[] = []
  for await (const name of glob('*', { cwd: join(app, 'node_modules', '@sluice') })) {
    const main = join(app, 'node_modules', '@sluice', name, 'dist', 'main.js')
    if (
      await access(main).then(
        () => true,
        () => false,
      )
    )
      services.push(name)
  }
  return services
}

const main = async (app: string, start: string): Promise<void> => {
  await mkdir(start, { recursive: true })
  const services = await servicesOf(app)
  for (const name of services)
    await writeFile(join(start, `${name}.js`), `import './node_modules/@sluice/${name}/dist/main.js'\n`)
  await writeFile(join(start, 'sluice'), "#!/usr/local/bin/node\nimport '/app/dist/main.js'\n", { mode: 0o755 })
  console.log(`services: ${services.sort().join(', ')}; ${await trim(app)} needless files removed`)
}

const [app, start] = process.argv.slice(2)
if (app === undefined || start === undefined) throw new Error('expected: arrange.ts APP START')
await main(app, start)
