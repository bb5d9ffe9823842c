/** The postmaster's verbs on queues and sites. Each call is short, whatever it is about; repeating one does no harm. */
import { laneOf, lanePrefix, type Mark } from '@sluice/contracts'
import type { Cluster, Redis } from 'ioredis'
import { type DestinationState, readStates } from './queue-states.ts'
import { createRunner } from './script.ts'
import { createSelection } from './select.ts'

export type Marked = {
  /** Tasks that this changed. */
  done: number
  /** Were so already, or are in hand for an earlier mark. */
  already: number
  /** Have left meanwhile. */
  gone: number
}

export type By = Pick<Mark, 'who' | 'why'>

export type Verbs = {
  /** Every destination that holds something, and every held one. @param fits of these names only */
  queue: (fits?: (destination: string) => boolean) => Promise<DestinationState[]>
  /** Messages with several destinations whose tasks are still to be made. */
  intake: () => Promise<{ waiting: number; parked: number }>
  /** @returns whether it changed anything */
  hold: (destination: string, by?: By) => Promise<boolean>
  release: (destination: string) => Promise<boolean>
  /** Makes what waits for its next attempt due now, parked tasks too, and ends the pause of a site left alone. @returns how many tasks */
  retry: (destination: string, id?: string) => Promise<number>
  /** Any number of tasks of a destination. */
  mark: (destination: string, ids: readonly string[], mark: Mark, progress?: (count: number) => void) => Promise<Marked>
  /** Leaves a site alone until then (ms since the epoch), in every lane. @returns whether it changed anything */
  suspend: (site: string, until: number, why: string) => Promise<boolean>
  resume: (site: string) => Promise<boolean>
}

export type VerbOptions = { redis: Redis | Cluster; lanes: number; now: () => number }

/** A millisecond or two of Redis. */
const MARKED_AT_ONCE = 100
const STATES_AT_ONCE = 200
const NOBODY: By = { who: '', why: '' }

const isEmpty = (state: DestinationState): boolean =>
  state.waiting + state.active + state.delayed + state.parked + state.sessions === 0 && !state.held

/** As a held message shows it. */
const holdWords = ({ who, why }: By): string => `held by ${who}${why === '' ? '' : `: ${why}`}`

export const createVerbs = ({ redis, lanes, now }: VerbOptions): Verbs => {
  const run = createRunner(redis)
  const selection = createSelection({ redis, lanes })
  const prefixOf = (destination: string): string => lanePrefix(laneOf(destination, lanes))

  const setHold = async (destination: string, to: 'paused' | 'resumed', by: By): Promise<boolean> => {
    const prefix = prefixOf(destination)
    const told = JSON.stringify({ verb: 'hold', ...by, at: now(), op: '' })
    return Number(await run('hold', `${prefix}:due`, [prefix, destination, now(), to, told])) === 1
  }

  const markSome = async (destination: string, ids: readonly string[], given: Mark): Promise<Marked> => {
    const prefix = prefixOf(destination)
    const head = [prefix, destination, now(), given.verb, JSON.stringify(given), holdWords(given)]
    const reply = await run('mark', `${prefix}:due`, [...head, ...ids])
    const [done = 0, already = 0, gone = 0] = Array.isArray(reply) ? reply.map(Number) : []
    return { done, already, gone }
  }
  const mark: Verbs['mark'] = async (destination, ids, given, progress = () => {}) => {
    const sum: Marked = { done: 0, already: 0, gone: 0 }
    for (let i = 0; i < ids.length; i += MARKED_AT_ONCE) {
      const some = ids.slice(i, i + MARKED_AT_ONCE)
      const { done, already, gone } = await markSome(destination, some, given)
      sum.done += done
      sum.already += already
      sum.gone += gone
      progress(some.length)
    }
    return sum
  }

  /** A site may have destinations in any lane. */
  const setSite = async (site: string, until: number | null, why: string): Promise<boolean> => {
    const named = Array.from({ length: lanes }, (): string[] => [])
    if (until === null) {
      for await (const found of selection.destinations({ site: (name) => name === site }))
        for (const { destination } of found) named[laneOf(destination, lanes)]?.push(destination)
    }
    let changed = false
    for (const [lane, names] of named.entries()) {
      const prefix = lanePrefix(lane)
      const head = [prefix, site, now(), until ?? '', why]
      for (let i = 0; i === 0 || i < names.length; i += STATES_AT_ONCE) {
        const some = names.slice(i, i + STATES_AT_ONCE)
        if (Number(await run('suspend', `${prefix}:due`, [...head, ...some])) === 1) changed = true
      }
    }
    return changed
  }

  return {
    queue: async (fits = () => true) => {
      const all: DestinationState[] = []
      for (let lane = 0; lane < lanes; lane++) {
        const prefix = lanePrefix(lane)
        const names = (await redis.smembers(`${prefix}:destinations`)).filter(fits)
        for (let i = 0; i < names.length; i += STATES_AT_ONCE)
          all.push(...(await readStates(redis, prefix, names.slice(i, i + STATES_AT_ONCE), now())))
      }
      return all.filter((state) => !isEmpty(state)).sort((a, b) => b.waiting + b.delayed - (a.waiting + a.delayed))
    },
    intake: async () => {
      const sum = { waiting: 0, parked: 0 }
      for (let lane = 0; lane < lanes; lane++) {
        const queue = `${lanePrefix(lane)}:intake`
        const lists = [
          await redis.llen(`${queue}:wait`),
          await redis.llen(`${queue}:active`),
          await redis.zcard(`${queue}:delayed`),
        ]
        sum.waiting += lists.reduce((all, each) => all + each, 0)
        sum.parked += await redis.zcard(`${queue}:failed`)
      }
      return sum
    },
    hold: (destination, by = NOBODY) => setHold(destination, 'paused', by),
    release: (destination) => setHold(destination, 'resumed', NOBODY),
    retry: async (destination, id) => {
      const given: Mark = { verb: 'retry', ...NOBODY, at: now(), op: '' }
      const ids: string[] = id === undefined ? [] : [id]
      if (id === undefined) {
        const query = { destination: (name: string) => name === destination, states: ['later', 'parked'] as const }
        for await (const some of selection.tasks(query)) ids.push(...some.map((each) => each.id))
      }
      // A site left alone is looked at again, also when all mail for it is due already.
      return (ids.length === 0 ? await markSome(destination, [], given) : await mark(destination, ids, given)).done
    },
    mark,
    suspend: (site, until, why) => setSite(site, until, why),
    resume: (site) => setSite(site, null, ''),
  }
}
