/** `npm run images`: builds the images of all services, and with --check judges them. See HELP in options.ts. */
import { createTimedSteps, type TimedSteps } from '../support/timed-steps.ts'
import { type Builder, build, findBuilder, load, push } from './builder.ts'
import { runImage } from './container.ts'
import { bytesOverBase } from './content.ts'
import { HELP, type ImageOptions, readOptions, referenceOf, version } from './options.ts'
import { startTime } from './start-time.ts'

const MOST_BYTES_OVER_BASE = 60_000_000
const START_WITHIN_MS = 2000

const checkSize = async (builder: Builder, reference: string, base: string): Promise<string> => {
  const bytes = await bytesOverBase(builder, reference, base)
  const text = `${(bytes / 1e6).toFixed(1)} MB over its base, of at most ${MOST_BYTES_OVER_BASE / 1e6}`
  if (bytes > MOST_BYTES_OVER_BASE || bytes <= 0) throw new Error(text)
  return text
}

const checkStart = async (builder: Builder, reference: string, service: string): Promise<string> => {
  const ms = await startTime(builder, reference, service)
  const text = `ready after ${(ms / 1000).toFixed(2)} s, of at most ${START_WITHIN_MS / 1000}; read-only, uid 1000, no shell`
  if (ms > START_WITHIN_MS) throw new Error(text)
  return text
}

const checkCommandLine = async (builder: Builder, reference: string): Promise<string> => {
  const container = await runImage({ builder, reference, env: {}, mounts: [], command: ['/usr/local/bin/sluice', '--version'] })
  const code = await container.exited
  const output = container.output().trim()
  if (code !== 0 || output !== (await version())) throw new Error(`sluice --version ended with ${code}: ${output}`)
  return `sluice ${output}`
}

const check = async (steps: TimedSteps, builder: Builder, options: ImageOptions): Promise<void> => {
  for (const service of options.services) {
    const reference = referenceOf(options, service)
    await steps.step(`size ${service}`, () => checkSize(builder, reference, options.base))
    await steps.step(`start ${service}`, () => checkStart(builder, reference, service))
    await steps.step(`command line ${service}`, () => checkCommandLine(builder, reference))
  }
}

const main = async (argv: string[]): Promise<number> => {
  const options = await readOptions(argv, process.env)
  if (options === null) {
    console.log(HELP)
    return 0
  }
  const steps = createTimedSteps()
  const builder = await findBuilder(options.tool)
  const references = options.services.map((service) => referenceOf(options, service))
  let built = true
  for (const service of options.build ? options.services : [])
    built =
      (await steps.step(`build ${service}`, () => build(builder, options, service).then(() => referenceOf(options, service)))) &&
      built
  if (!built) return steps.finish()
  if (options.push) for (const reference of references) await steps.step(`push ${reference}`, () => push(builder, reference))
  const { load: command } = options
  if (command !== undefined) await steps.step('load', () => load(command, references).then(() => command))
  if (options.check) await check(steps, builder, options)
  return steps.finish()
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  return 2
})
