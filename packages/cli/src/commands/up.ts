/** `sluice up`: everything that a gateway needs, under one supervisor, until Ctrl-C. */
import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Config, loadConfig } from '@sluice/directory'
import { createLogger, redisPlace } from '@sluice/runtime'
import { type Command, EXIT, type ExitCode, type Io } from '../command.ts'
import { dataFolder } from '../data-folder.ts'
import { announcement } from '../up/announce.ts'
import { type Gateway, type GatewayOptions, startGateway } from '../up/gateway.ts'
import { lockData } from '../up/lock.ts'
import { GivenUp } from '../up/processes.ts'
import { awaitReady } from '../up/ready.ts'

const HELP = `Usage: sluice up [--config FILE] [--data DIR] [--single-process] [--json]

Runs a whole gateway: ingress, spooler, delivery-agent and mailbox as processes that are started again when they die, and a
Redis of its own unless the config names one. Prints where everything listens, and \`ready\`. Ctrl-C stops it in order.

  --config FILE       the config; without it, a gateway on loopback for the domain sluice.test with a local mailbox
  --data DIR          where it keeps its data; .sluice in the checkout without it
  --single-process    all services in this process; Redis stays its own
  --json              print what is listening as one JSON object before \`ready\`

Exit codes: 0 stopped in order; 1 could not start; 2 the command line or the config is wrong.
`

const OPTIONS = {
  config: { type: 'string' },
  data: { type: 'string' },
  'single-process': { type: 'boolean' },
  json: { type: 'boolean' },
} as const

/**
 * Aborts with the first SIGINT, SIGTERM or SIGHUP, or when nobody reads standard output any more. The same Ctrl-C may come twice, through npm for one; only one that comes later
 * means impatience, and ends this process at once. The services end by themselves then.
 */
const stopSignal = (): AbortSignal => {
  const stop = new AbortController()
  let firstAt = 0
  const onSignal = (): void => {
    if (stop.signal.aborted && performance.now() - firstAt > 2000) process.exit(1)
    if (!stop.signal.aborted) firstAt = performance.now()
    stop.abort()
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal)
  process.stdout.on('error', () => stop.abort())
  return stop.signal
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((done) => {
    if (signal.aborted) done()
    signal.addEventListener('abort', () => done(), { once: true })
  })

const announce = (gateway: Gateway, config: Config, data: string, json: boolean, io: Io): void => {
  const listening = gateway.listening()
  const url = gateway.redis.url ?? redisPlace(gateway.redis)
  if (json)
    io.out(`${JSON.stringify({ data, redis: url, mail: config.mailbox.directory, services: Object.fromEntries(listening) })}\n`)
  else io.out(`${announcement(config, listening, data, url).join('\n')}\n`)
  io.out('ready\n')
}

/** From the start to the signal that ends it. Rejects when a service is given up. */
const serve = async (gateway: Gateway, options: GatewayOptions, json: boolean, signal: AbortSignal, io: Io): Promise<void> => {
  const onWait = (process: string, reason: string): void => options.log.warn('not ready yet', { process, reason })
  const over = new AbortController()
  const until = AbortSignal.any([signal, over.signal])
  try {
    await Promise.race([awaitReady(gateway.services, gateway.listening, until, onWait), gateway.failure])
  } finally {
    over.abort()
  }
  gateway.settled()
  announce(gateway, options.config, options.data.path, json, io)
  await Promise.race([aborted(signal), gateway.failure])
}

const run = async (options: GatewayOptions, json: boolean, io: Io): Promise<ExitCode> => {
  const signal = stopSignal()
  let gateway: Gateway | undefined
  let code: ExitCode = EXIT.ok
  try {
    gateway = await startGateway(options, signal)
    await serve(gateway, options, json, signal, io)
  } catch (fault) {
    if (!signal.aborted) {
      io.err(`sluice up: ${fault instanceof Error ? fault.message : String(fault)}\n`)
      code = fault instanceof GivenUp ? fault.exitCode : EXIT.failed
    }
  }
  if (code === EXIT.ok) options.log.info('stopping')
  await gateway?.stop()
  return code
}

export const up: Command = {
  name: 'up',
  summary: 'run a whole gateway until Ctrl-C',
  help: HELP,
  run: async (args, io) => {
    const { values } = parseArgs({ args, options: OPTIONS })
    const data = dataFolder(values.data)
    const configFile = values.config === undefined ? null : resolve(values.config)
    const config = await loadConfig(configFile, io.env, { dataDir: data.path })
    for (const warning of config.warnings) io.err(`warning: ${warning}\n`)
    await mkdir(data.path, { recursive: true, mode: 0o700 })
    const unlock = await lockData(data.path)
    const log = createLogger({ level: config.log.level, service: 'up' })
    const singleProcess = values['single-process'] === true
    try {
      return await run({ config, configFile, data, singleProcess, env: io.env, log }, values.json === true, io)
    } finally {
      unlock()
    }
  },
}
