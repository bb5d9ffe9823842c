/**
 * Admission: the one durable write behind the 250. A message with one destination becomes its task; a message with
 * several becomes one intake job, from which the spooler makes the tasks. Group commit without a timer: what piles up while the
 * last call for the same destination is in flight goes with the next.
 */
import { homeLane, lanePrefix } from '@sluice/contracts'
import type { Cluster, Redis } from 'ioredis'
import { encodeIntake, encodeTask, taskOf } from './payload.ts'
import { createReplicated, type ReplicaWait } from './replicated.ts'
import { createSender, type ScriptName } from './script.ts'
import { type Accept, type AcceptMessage, StoreError } from './types.ts'

const MOST_TASKS = 200
const MOST_BYTES = 8 * 1024 * 1024

type Entry = { args: (string | Buffer)[]; bytes: number; done: () => void; failed: (error: StoreError) => void }
type Pile = { entries: Entry[]; busy: boolean; write: (batch: Entry[]) => Promise<void> }

const takeBatch = (pile: Pile): Entry[] => {
  let bytes = 0
  let count = 0
  for (const entry of pile.entries) {
    if (count > 0 && (count === MOST_TASKS || bytes + entry.bytes > MOST_BYTES)) break
    bytes += entry.bytes
    count++
  }
  return pile.entries.splice(0, count)
}

const inlineBytes = (message: Accept): Buffer | string => (message.content.kind === 'inline' ? message.content.bytes : '')

const taskArgs = (message: Accept, lane: number): (string | Buffer)[] => {
  const { envelope, content } = message
  const task = taskOf(envelope, envelope.to, content.kind === 'inline' ? { store: 'inline' } : content.ref)
  return [
    envelope.id,
    encodeTask(task),
    inlineBytes(message),
    message.once === true ? '1' : '0',
    // What intake stored says so in its own lane, whichever lane this is.
    content.kind === 'stored' && content.ref.store !== 'inline' && content.ref.lane === lane ? '1' : '0',
  ]
}

const intakeArgs = (message: Accept, lane: number): (string | Buffer)[] => {
  const { envelope, content } = message
  const destinations = [...message.destinations].map(([destination, to]) => ({ destination, to }))
  const ref = content.kind === 'inline' ? ({ store: 'redis', lane, chunks: 1 } as const) : content.ref
  const names = destinations.map((each) => each.destination)
  return [
    envelope.id,
    encodeIntake({ envelope, content: ref, destinations }),
    inlineBytes(message),
    message.once === true ? '1' : '0',
    String(names.length),
    ...names,
  ]
}

export type AdmissionOptions = {
  /** A connection of its own, without offline queue and without resending. */
  redis: Redis | Cluster
  lanes: number
  /** ms since the epoch */
  now: () => number
  /** Replicas that must have what was written, too; null: none. */
  wait?: ReplicaWait | null
  /** Told of every write that was answered well: messages in it, and seconds until it was durable. For figures. */
  told?: (messages: number, seconds: number) => void
}

/** One script call, and when the replicas have it. What Redis answered, or was never sent, is refused; all else may be stored. */
const createWrite = ({ redis, wait = null }: AdmissionOptions) => {
  const send = createSender(redis)
  const replicated = wait === null ? null : createReplicated(redis, wait)
  return async (name: ScriptName, key: string, args: (string | number | Buffer)[]): Promise<void> => {
    const { reply, sentOn } = send(name, key, args)
    try {
      await reply
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause)
      throw new StoreError(sentOn() === null ? 'refused' : 'unknown', message, { cause })
    }
    await replicated?.(sentOn())
  }
}

export const createAdmission = (options: AdmissionOptions): AcceptMessage => {
  const { redis, lanes, now, told = () => {} } = options
  const run = createWrite(options)
  const piles = new Map<string, Pile>()

  const flush = async (name: string, pile: Pile): Promise<void> => {
    pile.busy = true
    while (pile.entries.length > 0) {
      const batch = takeBatch(pile)
      const startedAt = performance.now()
      try {
        if (redis.status !== 'ready') throw new StoreError('refused', `Redis is away (${redis.status})`)
        await pile.write(batch)
        told(batch.length, (performance.now() - startedAt) / 1000)
        for (const entry of batch) entry.done()
      } catch (cause) {
        const error = cause instanceof StoreError ? cause : new StoreError('unknown', String(cause), { cause })
        for (const entry of batch) entry.failed(error)
      }
    }
    piles.delete(name)
  }

  const put = (name: string, write: Pile['write'], args: (string | Buffer)[]): Promise<void> =>
    new Promise((done, failed) => {
      const pile: Pile = piles.get(name) ?? { entries: [], busy: false, write }
      piles.set(name, pile)
      pile.entries.push({ args, bytes: args.reduce((sum, each) => sum + each.length, 0), done, failed })
      if (!pile.busy) void flush(name, pile)
    })

  return (message) => {
    const names = [...message.destinations.keys()]
    const lane = homeLane(names, message.envelope.id, lanes)
    const prefix = lanePrefix(lane)
    const key = `${prefix}:due`
    const [only] = names
    if (only === undefined) return Promise.reject(new StoreError('refused', 'a message needs a destination'))
    if (names.length === 1) {
      const write: Pile['write'] = (batch) => run('admit', key, [prefix, only, now(), ...batch.flatMap((entry) => entry.args)])
      return put(only, write, taskArgs(message, lane))
    }
    const write: Pile['write'] = (batch) => run('intake', key, [prefix, now(), ...batch.flatMap((entry) => entry.args)])
    return put(`intake ${lane}`, write, intakeArgs(message, lane))
  }
}
