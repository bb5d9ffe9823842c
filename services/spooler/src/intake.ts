/**
 * Intake: a message with several destinations becomes one task for each, under IDs that follow from message and destination, until
 * complete. Each is admitted once, so that a run that died half-way is simply done again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { lanePrefix } from '@sluice/contracts'
import { type Log, logWorkerError } from '@sluice/runtime'
import { type AcceptMessage, decodeIntake, type Intake, laneBackend, StoreError } from '@sluice/spool'
import { isLate, type Span, type Tracer } from '@sluice/tracing'
import { type Job, UnrecoverableError, Worker } from 'bullmq'
import type { Cluster, Redis } from 'ioredis'

export type IntakeOptions = {
  /** Role `worker`. */
  redis: Redis | Cluster
  lanes: number
  accept: AcceptMessage
  /** Removes what kept the admissions from being made twice. */
  forgetOnce: (id: string, destinations: string[]) => Promise<void>
  log: Log
  /** null: tracing is off */
  tracer: Tracer | null
  /** ms since the epoch */
  now: () => number
  /** SIGTERM: what is not complete is done again by another. */
  signal: AbortSignal
  admitted: () => void
  parked: () => void
}

const CONCURRENCY = 50
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2000

/** BullMQ's Worker stumbles over a payload that is no JSON, again and again; here it gets it as a text, to be parked. */
class IntakeWorker extends Worker {
  protected override createJob(...[data, id]: Parameters<Worker['createJob']>): ReturnType<Worker['createJob']> {
    try {
      return super.createJob(data, id)
    } catch {
      return super.createJob({ ...data, data: JSON.stringify({ notJson: data.data }) }, id)
    }
  }
}

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

const traceIntake = ({ tracer, now }: IntakeOptions, { envelope, destinations }: Intake): Span | null =>
  tracer?.resume(envelope.trace, 'intake', {
    kind: 'consumer',
    late: isLate(envelope.receivedAt, now()),
    attributes: {
      'messaging.system': 'sluice',
      'messaging.operation.type': 'process',
      'messaging.operation.name': 'intake',
      'messaging.message.id': envelope.id,
      'sluice.destinations': destinations.length,
    },
  }) ?? null

export const startIntake = async (options: IntakeOptions): Promise<{ close: () => Promise<void> }> => {
  const { redis, lanes, accept, forgetOnce, log } = options
  /** While Redis is away or full; each destination is admitted once, so trying again is safe. */
  const untilStored = async (admit: () => Promise<void>, id: string | undefined): Promise<void> => {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
      try {
        return await admit()
      } catch (error) {
        if (!(error instanceof StoreError) || options.signal.aborted) throw error
        if (pauseMs === FIRST_PAUSE_MS) log.warn('tasks could not be stored; trying again', { id, error })
        await sleep(pauseMs)
      }
    }
  }
  const process = async (job: Job): Promise<void> => {
    const decoded = decodeIntake(JSON.stringify(job.data))
    if (decoded.kind === 'corrupt') {
      options.parked()
      log.event('parked', { id: job.id, destination: 'intake', reason: decoded.reason })
      throw new UnrecoverableError(decoded.reason)
    }
    const span = traceIntake(options, decoded.value)
    try {
      await untilStored(() => admitAll(decoded.value, accept), job.id)
    } catch (error) {
      span?.end('store')
      throw error
    }
    span?.end()
    options.admitted()
    const destinations = decoded.value.destinations.map(({ destination }) => destination)
    log.event('admission', { id: job.id, destinations }, span?.ids)
  }
  const workers = Array.from({ length: lanes }, (_, lane) => {
    const prefix = lanePrefix(lane)
    const worker = new IntakeWorker(
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
    worker.on('error', (error) => logWorkerError(log, 'intake', error))
    return worker
  })
  await Promise.all(workers.map((worker) => worker.waitUntilReady()))
  return { close: async () => void (await Promise.all(workers.map((worker) => worker.close()))) }
}
