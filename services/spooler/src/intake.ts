/**
 * Intake: a message with several destinations becomes one task for each, under IDs that follow from message and destination, until
 * complete. Each is admitted once, so that a run that died half-way is simply done again.
 */
import { lanePrefix } from '@sluice/contracts'
import type { Log } from '@sluice/runtime'
import { type AcceptMessage, decodeIntake, type Intake, laneBackend } from '@sluice/spool'
import { type Job, UnrecoverableError, Worker } from 'bullmq'
import type { Redis } from 'ioredis'

export type IntakeOptions = {
  /** Role `worker`. */
  redis: Redis
  lanes: number
  accept: AcceptMessage
  /** Removes what kept the admissions from being made twice. */
  forgetOnce: (id: string, destinations: string[]) => Promise<void>
  log: Log
  admitted: () => void
  parked: () => void
}

const CONCURRENCY = 50

export const admitAll = async (intake: Intake, accept: AcceptMessage): Promise<void> => {
  const { envelope, content, destinations } = intake
  await Promise.all(
    destinations.map(({ destination, to }) =>
      accept({
        envelope: { ...envelope, to },
        content: { kind: 'stored', ref: content, sizeBytes: envelope.sizeBytes },
        destinations: new Map([[destination, to]]),
        once: true,
      }),
    ),
  )
}

export const startIntake = async (options: IntakeOptions): Promise<{ close: () => Promise<void> }> => {
  const { redis, lanes, accept, forgetOnce, log } = options
  const process = async (job: Job): Promise<void> => {
    const decoded = decodeIntake(JSON.stringify(job.data))
    if (decoded.kind === 'corrupt') {
      options.parked()
      log.event('parked', { id: job.id, destination: 'intake', reason: decoded.reason })
      throw new UnrecoverableError(decoded.reason)
    }
    await admitAll(decoded.value, accept)
    options.admitted()
    log.event('admission', { id: job.id, destinations: decoded.value.destinations.map(({ destination }) => destination) })
  }
  const workers = Array.from({ length: lanes }, (_, lane) => {
    const prefix = lanePrefix(lane)
    const worker = new Worker(
      'intake',
      process,
      {
        connection: redis,
        prefix,
        concurrency: CONCURRENCY,
        lockDuration: 15_000,
        stalledInterval: 5_000,
        maxStalledCount: Number.MAX_SAFE_INTEGER,
        removeOnComplete: { count: 0 },
        runRetryDelay: 1000,
      },
      laneBackend,
    )
    worker.on('completed', (job) => {
      const decoded = decodeIntake(JSON.stringify(job.data))
      if (decoded.kind !== 'ok') return
      const names = decoded.value.destinations.map(({ destination }) => destination)
      forgetOnce(decoded.value.envelope.id, names).catch((error: unknown) => log.debug('left to expire', { id: job.id, error }))
    })
    worker.on('failed', (job, error) => log.error('intake failed; it is looked at again', { id: job?.id, error }))
    worker.on('error', (error) => log.warn('the worker of intake met an error', { lane, error: error.message }))
    return worker
  })
  await Promise.all(workers.map((worker) => worker.waitUntilReady()))
  return { close: async () => void (await Promise.all(workers.map((worker) => worker.close()))) }
}
