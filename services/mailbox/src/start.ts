/** Everything that a mailbox service needs, made from the config and put together. */
import { type Config, type ConfigSource, createLiveDirectory, watchConfig } from '@sluice/directory'
import {
  createLogger,
  createMetrics,
  declareConfig,
  type Listening,
  type Log,
  type Readiness,
  startHealthServer,
} from '@sluice/runtime'
import { createMailbox } from './mailbox.ts'

export type StartedMailbox = {
  /** R-shutdown: not ready, idle clients leave, transactions end, everything is closed. */
  close: () => Promise<void>
  listening: Listening[]
  log: Log
}

export type StartOptions = {
  log?: Log
  /** Where the config comes from, to follow its changes. */
  source?: ConfigSource | null
}

/** @throws when a port cannot be had */
export const startMailbox = async (written: Config, options: StartOptions = {}): Promise<StartedMailbox> => {
  const log = options.log ?? createLogger({ level: written.log.level, service: 'mailbox' })
  const live = watchConfig({ config: written, source: options.source ?? null, log })
  const { config } = live
  const metrics = createMetrics('mailbox', { processFigures: options.log === undefined })
  declareConfig(metrics, live.isRefused)
  const mailbox = createMailbox({ config, directory: createLiveDirectory(live), log, metrics, now: Date.now })
  let readiness: Readiness = { kind: 'away', reason: 'the service starts' }
  const { host, ports } = config.http
  const health = await startHealthServer({ host, port: ports.mailbox, registry: metrics, readiness: () => readiness })
  const lmtp = await mailbox.listen().catch(async (fault: unknown) => {
    await health.close()
    throw fault
  })
  readiness = { kind: 'ok' }
  log.info('listening', { lmtp, directory: config.mailbox.directory })
  return {
    log,
    close: async () => {
      live.stop()
      readiness = { kind: 'away', reason: 'the service stops' }
      await mailbox.close()
      await health.close()
    },
    listening: [
      { name: 'lmtp', ...lmtp },
      { name: 'http', address: health.address.host, port: health.address.port },
    ],
  }
}
