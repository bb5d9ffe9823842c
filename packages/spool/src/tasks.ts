/**
 * A walk over a destination's tasks, piece by piece: each is one short call of the script `list`, so that Redis serves others in
 * between, however many tasks there are. What comes while the walk is on may be missed, what stays is seen.
 */
import { laneOf, lanePrefix } from '@sluice/contracts'
import type { Cluster, Redis } from 'ioredis'
import { createRunner } from './script.ts'

export const TASK_STATES = ['due', 'in-hand', 'later', 'parked', 'held'] as const
/** As `sluice queue` has them: due, in hand of a session, waits for a later attempt, set aside, held by the postmaster. */
export type TaskState = (typeof TASK_STATES)[number]

export type ListedTask = {
  destination: string
  id: string
  state: TaskState
  /** Of the fields that were asked for; `from` as a JSON string. */
  values: (string | null)[]
}

/** What a piece can tell of each task: fields of its hash, its sender alone, or when it was received. */
export type TaskField = 'data' | 'from' | 'receivedAt'

/** Tasks in one call: half a millisecond of Redis. */
const PIECE = 200

type Lists = { name: 'wait' | 'active' | 'delayed' | 'failed'; states: TaskState[] }
/** In this order: what leaves one of them on its way goes to a later one, or has left. */
const LISTS: Lists[] = [
  { name: 'active', states: ['in-hand', 'held'] },
  { name: 'delayed', states: ['later'] },
  { name: 'failed', states: ['parked', 'held'] },
  { name: 'wait', states: ['due', 'held'] },
]

/** Held, or marked to be: by the field that tells of it. */
const stateOf = (name: Lists['name'], told: string | null): TaskState => {
  if (name === 'failed') return told === null ? 'parked' : 'held'
  if (told?.includes('"verb":"hold"') === true) return 'held'
  return name === 'active' ? 'in-hand' : name === 'delayed' ? 'later' : 'due'
}

const text = (value: unknown): string | null => (Buffer.isBuffer(value) ? value.toString() : null)

export type WalkTasks = (
  destination: string,
  states: readonly TaskState[],
  fields: readonly TaskField[],
) => AsyncIterable<ListedTask[]>

export const createWalk = ({ redis, lanes }: { redis: Redis | Cluster; lanes: number }): WalkTasks => {
  const run = createRunner(redis)

  async function* walkList(destination: string, { name, states }: Lists, fields: readonly TaskField[]) {
    const prefix = lanePrefix(laneOf(destination, lanes))
    const tells = name === 'failed' ? ['hold'] : name !== 'delayed' && states.includes('held') ? ['verb'] : []
    const asked = [...tells, ...fields]
    const width = 2 + asked.length
    let before = new Set<string>()
    for (let from = 0; ; from += PIECE) {
      const reply = await run('list', `${prefix}:due`, [prefix, destination, name, from, PIECE, ...asked])
      const [looked, ...parts] = Array.isArray(reply) ? reply : [0]
      const tasks: ListedTask[] = []
      for (let i = 0; i < parts.length; i += width) {
        const id = text(parts[i]) ?? ''
        const values = parts.slice(i + 2, i + width).map(text)
        const state = stateOf(name, tells.length > 0 ? (values.shift() ?? null) : null)
        tasks.push({ destination, id, state, values })
      }
      // What came meanwhile pushes what was seen already into the next piece.
      const fresh = tasks.filter(({ id, state }) => !before.has(id) && states.includes(state))
      if (fresh.length > 0) yield fresh
      if (Number(looked) < PIECE) return
      before = new Set(tasks.map(({ id }) => id))
    }
  }

  return async function* walk(destination, states, fields) {
    for (const list of LISTS) {
      const wanted = list.states.filter((state) => states.includes(state))
      if (wanted.length > 0) yield* walkList(destination, { name: list.name, states: wanted }, fields)
    }
  }
}
