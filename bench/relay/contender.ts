/** What the bench compares: a mail relay that takes mail from loopback and hands everything to one smarthost. */
import type { ProcessFigures } from '../support/processes.ts'

/** A new folder of its own, and the smarthost's port on 127.0.0.1. */
export type Place = { folder: string; sinkPort: number }

export type Contender = {
  name: string
  /** What it does before it says 250, for the table. */
  durability: string
  /** Installs what is missing. Throws, in one line that says what to do, when it cannot run here. */
  prepare: () => Promise<void>
  /** Starts it; it listens on 127.0.0.1 when this resolves. */
  start: (place: Place) => Promise<RunningContender>
}

export type RunningContender = {
  port: number
  /** All its processes descend from this one. */
  root: number
  /** The part of it that a process is. */
  stageOf: (process: ProcessFigures) => string
  /** How often Redis ran each command so far, those that scripts call included; null where there is no Redis. */
  redisCalls: (() => Promise<Record<string, number>>) | null
  /** Ends every process of it. */
  stop: () => Promise<void>
}
