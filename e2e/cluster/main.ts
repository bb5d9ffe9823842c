/**
 * `npm run e2e:cluster`: proves images and chart on a real cluster. See HELP in options.ts. Prints each step as `ok` or `FAIL` with
 * its seconds, and `N passed, N failed`; exit code 0 only when none failed.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { build, findBuilder, load, push } from '../images/builder.ts'
import { type ImageOptions, readOptions as readImageOptions, referenceOf } from '../images/options.ts'
import { createTimedSteps, type TimedSteps } from '../support/timed-steps.ts'
import { type ClusterOptions, HELP, readOptions } from './options.ts'
import { THEMES } from './themes/index.ts'
import { createWorld } from './world.ts'

const buildTag = async (image: ImageOptions): Promise<string[]> => {
  const builder = await findBuilder(image.tool)
  const references = image.services.map((service) => referenceOf(image, service))
  for (const service of image.services) await build(builder, image, service)
  if (image.push) for (const reference of references) await push(builder, reference)
  return references
}

const prepareImages = async (options: ClusterOptions, steps: TimedSteps): Promise<boolean> => {
  const { registry, tags } = options
  const where = registry === undefined ? [] : ['--registry', registry, '--push']
  const references: string[] = []
  const built = await steps.step('build the images, under two tags', async () => {
    for (const tag of [tags.first, tags.second]) {
      const image = await readImageOptions(['--tag', tag, ...where], process.env)
      if (image !== null) references.push(...(await buildTag(image)))
    }
    return `${references.length} references`
  })
  const { load: command } = options
  if (!built || command === undefined) return built
  return steps.step('load the images', () => load(command, references).then(() => command))
}

/** The same run once more, behind a command that puts it into the cluster's network; its steps are printed there. */
const runWithin = async (command: string, argv: string[]): Promise<number> => {
  const at = argv.findIndex((word) => word === '--within' || word.startsWith('--within='))
  const rest = argv.toSpliced(at, argv[at] === '--within' ? 2 : 1)
  const [program = '', ...args] = command.split(' ')
  const again = [process.execPath, ...process.execArgv, import.meta.filename, ...rest, '--no-build']
  const child = spawn(program, [...args, ...again], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  const [code] = await once(child, 'exit')
  return code ?? 1
}

const main = async (argv: string[]): Promise<number> => {
  const options = await readOptions(argv)
  if (options === null) {
    const themes = Object.entries(THEMES).map(([name, { says }]) => `  ${name.padEnd(14)} ${says}`)
    console.log(HELP.replace('THEMES', themes.join('\n')))
    return 0
  }
  const wanted = options.themes ?? Object.keys(THEMES)
  const stray = wanted.find((name) => !(name in THEMES))
  if (stray !== undefined) throw new Error(`there is no theme ${stray}: ${Object.keys(THEMES).join(', ')}`)
  const steps = createTimedSteps()
  if (options.build && !(await prepareImages(options, steps))) return steps.finish()
  if (options.within !== undefined) return runWithin(options.within, argv)
  const world = await createWorld(options, steps)
  for (const name of wanted) {
    console.log(`\n== ${name}`)
    await THEMES[name]
      ?.run(world)
      .catch((error: unknown) => steps.step(`${name}: in order to its end`, () => Promise.reject(error)))
  }
  return steps.finish()
}

const code = await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  return 2
})
// A theme that broke off may have left a far end open: nobody waits for it.
process.exit(code)
