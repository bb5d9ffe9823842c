/** Works the plan off, and keeps a record of what was done to whom and when: the judge weighs doubled mail against it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { lanePrefix } from '@sluice/contracts'
import type { FarEnds } from './far-ends.ts'
import type { Gateway } from './gateway.ts'
import type { CutMode, Line } from './line.ts'
import { type Fault, type Plan, type ProcessName, START_MS, type Target } from './plan.ts'

export type Done = {
  target: Target
  /** The life that it befell. */
  life: string
  fault: Fault
  /** ms since the epoch. A kill has no length; Redis that was killed is away until it answers again. */
  from: number
  to: number
  /** Faults of an agent, its line to Redis, and Redis: the tasks that were active in the spool when it began. */
  active: ReadonlySet<string>
  note: string
}

/** A pause is stretched by so much at most. */
const MOST_PATIENCE = 3

const NOBODY: ReadonlySet<string> = new Set()

/** IDs of all tasks in hand of a session, of whichever agent. Waits for Redis. */
const activeTasks = async ({ redis, lanes }: Gateway): Promise<ReadonlySet<string>> => {
  const activeIn = async (lane: string): Promise<string[]> => {
    const names = await redis.smembers(`${lane}:destinations`)
    const lists = await Promise.all(names.map((name) => redis.lrange(`${lane}:${name}:active`, 0, -1)))
    return lists.flat()
  }
  const all = await Promise.all(Array.from({ length: lanes }, (_, lane) => activeIn(lanePrefix(lane))))
  return new Set(all.flat())
}

export type Faults = {
  done: readonly Done[]
  kills: () => number
  /** Resolves when the plan is worked off. */
  run: () => Promise<void>
}

export const createFaults = (gateway: Gateway, farEnds: FarEnds, plan: Plan, signal: AbortSignal): Faults => {
  const done: Done[] = []
  /** Looks into the spool that wait for Redis. */
  const looks: Promise<void>[] = []

  /** What is active now; noted when Redis answers. The tasks of an agent that is dead, frozen or cut off stay as they are. */
  const look = async (record: Done): Promise<void> => {
    record.active = await activeTasks(gateway)
  }
  const isOfAgent = ({ target }: Done): boolean => target.startsWith('delivery-agent')
  const kill = async (record: Done, name: ProcessName, downMs: number): Promise<void> => {
    const own = gateway.process(name)
    await own.kill()
    record.to = Date.now()
    if (isOfAgent(record)) looks.push(look(record))
    await sleep(downMs)
    own.start()
    if (name !== 'redis') return
    await own.up()
    record.to = Date.now()
  }
  const freeze = async (record: Done, name: ProcessName, ms: number): Promise<void> => {
    const own = gateway.process(name)
    own.freeze()
    if (isOfAgent(record)) looks.push(look(record))
    await sleep(ms)
    own.resume()
  }
  const cut = async (record: Done, line: Line, mode: CutMode, ms: number): Promise<void> => {
    line.cut(mode)
    if (isOfAgent(record)) looks.push(look(record))
    await sleep(ms)
    line.heal()
  }
  const fillDisk = async (record: Done, downMs: number): Promise<void> => {
    const { disk, process } = gateway
    if (!disk.canFill) {
      record.note = 'left out: no right to mount a small disk'
      return
    }
    const own = process('redis')
    // Expected from here on: it may end before the last byte is written.
    const ending = own.ended(30_000)
    await disk.fill()
    const ended = await ending
    await disk.free()
    if (!ended) await own.kill()
    record.note = ended ? 'redis ended by itself' : 'redis went on'
    await sleep(downMs)
    own.start()
    await own.up()
  }
  const suffer = async (record: Done, name: ProcessName): Promise<void> => {
    const { fault } = record
    switch (fault.kind) {
      case 'kill':
        return kill(record, name, fault.downMs)
      case 'freeze':
        return freeze(record, name, fault.ms)
      case 'disk-full':
        return fillDisk(record, fault.downMs)
      case 'cut-redis':
        return cut(record, gateway.toRedis(name), fault.mode, fault.ms)
      case 'cut-far':
        return cut(record, gateway.toFar(name, fault.far), fault.mode, fault.ms)
      case 'far-fails':
        farEnds.fail(fault.far, fault.stage, fault.how)
        await sleep(fault.ms)
        farEnds.recover(fault.far)
    }
  }
  /** A machine that is slow to start a process gives it the more time to work before the next fault. */
  const workFor = async (afterMs: number, startTookMs: number): Promise<void> => {
    const factor = Math.min(MOST_PATIENCE, Math.max(1, startTookMs / START_MS))
    await sleep(afterMs * factor)
  }
  const workOff = async (target: Target, faults: readonly Fault[]): Promise<void> => {
    for (const fault of faults) {
      const own = target === 'far-ends' ? null : gateway.process(target)
      const upFrom = Date.now()
      await own?.up()
      await workFor(fault.afterMs, Date.now() - upFrom)
      if (signal.aborted) return
      await own?.up()
      const life = own?.life() ?? 'far ends'
      const record: Done = { target, life, fault, from: Date.now(), to: Number.POSITIVE_INFINITY, active: NOBODY, note: '' }
      done.push(record)
      // Of Redis itself, before: afterwards nobody answers.
      if (target === 'redis') await look(record)
      await suffer(record, target as ProcessName)
      if (record.to === Number.POSITIVE_INFINITY) record.to = Date.now()
    }
  }
  return {
    done,
    kills: () => done.filter(({ fault }) => fault.kind === 'kill').length,
    run: async () => {
      await Promise.all([...plan].map(([target, faults]) => workOff(target, faults)))
      await Promise.all(gateway.processes.map((each) => each.up()))
      await Promise.all(looks)
    },
  }
}
