/**
 * Which tasks the postmaster means, on the whole cluster: by destination, site, class, sender, recipient, age, state and ID, all of
 * which must fit. Read in pieces while mail flows; a queue that is being served, or turned by an errand, is looked at again
 * until nothing new is found, so that what moved past the first look is not missed.
 */
import { laneOf, lanePrefix, partsOf } from '@sluice/contracts'
import type { Cluster, Redis } from 'ioredis'
import { decodeTask } from './payload.ts'
import { textAt, valueAt } from './queue-states.ts'
import { createWalk, type ListedTask, TASK_STATES, type TaskField, type TaskState } from './tasks.ts'

export type Fits = (text: string) => boolean

/** What is left out, any task fits. */
export type Query = {
  destination?: Fits
  /** Of the hosts behind a destination, as its grant names it; what has none yet fits no query by site. */
  site?: Fits
  /** '' is the default class. */
  class?: Fits
  /** '' is the null reverse-path. */
  sender?: Fits
  /** One of the task's recipients, as it goes out or as the sender wrote it. */
  recipient?: Fits
  id?: Fits
  /** Exactly these messages: looked up, without a walk. */
  ids?: readonly string[]
  states?: readonly TaskState[]
  /** ms since the epoch */
  receivedBefore?: number
  receivedAfter?: number
}

export type Selected = { destination: string; id: string; state: TaskState; from: string | null; receivedAt: number | null }
export type Found = { destination: string; site: string | null }

export type Selection = {
  /** Destinations that the query can mean, with their sites. */
  destinations: (query: Query) => AsyncIterable<Found[]>
  /** @param look called after each piece with how many tasks were looked at so far */
  tasks: (query: Query, look?: (count: number) => void) => AsyncIterable<Selected[]>
  /** Those of one destination, looked at once and not remembered: to count them. @param read what is to be told of each */
  once: (destination: string, query: Query, read: readonly ('from' | 'receivedAt')[]) => AsyncIterable<Selected[]>
}

const MOST_PASSES = 4
const NAMES_AT_ONCE = 200

/** Only what the query asks for is read: names alone cost next to nothing. */
const fieldsFor = (query: Query): TaskField[] => {
  if (query.recipient !== undefined) return ['data']
  const byAge = query.receivedBefore !== undefined || query.receivedAfter !== undefined
  return [...(query.sender === undefined ? [] : ['from' as const]), ...(byAge ? ['receivedAt' as const] : [])]
}

type Facts = { from: string | null; receivedAt: number | null; recipients: string[] | null }

/** A payload that is not understood fits no query that asks what stands in it. */
const factsOf = (task: ListedTask, fields: readonly TaskField[]): Facts => {
  if (fields[0] === 'data') {
    const decoded = decodeTask(task.values[0] ?? '')
    if (decoded.kind === 'corrupt') return { from: null, receivedAt: null, recipients: null }
    const { from, receivedAt, to } = decoded.value
    return { from, receivedAt, recipients: to.flatMap(({ address, original }) => [address, original ?? address]) }
  }
  const value = (field: TaskField): string | null => task.values[fields.indexOf(field)] ?? null
  const [from, receivedAt] = [value('from'), value('receivedAt')]
  return { from: senderOf(from), receivedAt: receivedAt === null ? null : Number(receivedAt), recipients: null }
}

/** @param text a JSON string, or the whole payload where the sender could not be cut out of it */
export const senderOf = (text: string | null): string | null => {
  if (text === null) return null
  if (/^"[^"\\]*"$/.test(text)) return text.slice(1, -1)
  const decoded = decodeTask(text)
  return decoded.kind === 'ok' ? decoded.value.from : null
}

const suits = (query: Query, id: string, facts: Facts): boolean => {
  const { from, receivedAt, recipients } = facts
  if (query.id !== undefined && !query.id(id)) return false
  if (query.ids !== undefined && !query.ids.includes(id)) return false
  if (query.sender !== undefined && (from === null || !query.sender(from))) return false
  if (query.recipient !== undefined && recipients?.some(query.recipient) !== true) return false
  if (query.receivedBefore !== undefined && (receivedAt === null || receivedAt > query.receivedBefore)) return false
  return query.receivedAfter === undefined || (receivedAt !== null && receivedAt >= query.receivedAfter)
}

const selected = (query: Query, task: ListedTask, fields: readonly TaskField[]): Selected[] => {
  const facts = factsOf(task, fields)
  if (!suits(query, task.id, facts)) return []
  return [{ destination: task.destination, id: task.id, state: task.state, from: facts.from, receivedAt: facts.receivedAt }]
}

export const createSelection = ({ redis, lanes }: { redis: Redis | Cluster; lanes: number }): Selection => {
  const walk = createWalk({ redis, lanes })

  const sitesOf = async (prefix: string, names: string[]): Promise<Found[]> => {
    const pipeline = redis.pipeline()
    for (const name of names) pipeline.hget(`${prefix}:grant:${name}`, 'site')
    const replies = await pipeline.exec()
    return names.map((destination, i) => ({ destination, site: textAt(replies, i) }))
  }

  async function* destinations(query: Query): AsyncIterable<Found[]> {
    const fits = (name: string): boolean => (query.destination?.(name) ?? true) && (query.class?.(partsOf(name).class) ?? true)
    for (let lane = 0; lane < lanes; lane++) {
      const prefix = lanePrefix(lane)
      const seen = new Set<string>()
      for await (const piece of redis.sscanStream(`${prefix}:destinations`, { count: NAMES_AT_ONCE })) {
        const names = [...new Set((piece as unknown[]).map(String))].filter((name) => !seen.has(name) && fits(name))
        for (const name of names) seen.add(name)
        if (names.length === 0) continue
        const found = await sitesOf(prefix, names)
        yield query.site === undefined ? found : found.filter(({ site }) => site !== null && query.site?.(site) === true)
      }
    }
  }

  /** How often its queue was turned, and whether sessions are at it: a walk meanwhile may have missed some. */
  const stirOf = async (destination: string): Promise<{ turns: string | null; sessions: number }> => {
    const prefix = lanePrefix(laneOf(destination, lanes))
    const replies = await redis
      .pipeline()
      .hget(`${prefix}:errands:${destination}`, 'turns')
      .scard(`${prefix}:sessions:${destination}`)
      .exec()
    return { turns: textAt(replies, 0), sessions: Number(valueAt(replies, 1)) }
  }

  /** Those of the wanted IDs that a destination holds, for the walk to look at alone. */
  const holdsAny = async (destination: string, ids: readonly string[]): Promise<boolean> => {
    const prefix = lanePrefix(laneOf(destination, lanes))
    for (let i = 0; i < ids.length; i += NAMES_AT_ONCE) {
      const keys = ids.slice(i, i + NAMES_AT_ONCE).map((id) => `${prefix}:${destination}:${id}`)
      if ((await redis.exists(...keys)) > 0) return true
    }
    return false
  }

  async function* tasksOf(destination: string, query: Query, look: (count: number) => void): AsyncIterable<Selected[]> {
    const states = query.states ?? TASK_STATES
    const fields = fieldsFor(query)
    const seen = new Set<string>()
    for (let pass = 0; pass < MOST_PASSES; pass++) {
      const before = await stirOf(destination)
      let found = 0
      for await (const piece of walk(destination, states, fields)) {
        if (pass === 0) look(piece.length)
        const fresh = piece.flatMap((task) => (seen.has(task.id) ? [] : selected(query, task, fields)))
        for (const { id } of fresh) seen.add(id)
        found += fresh.length
        if (fresh.length > 0) yield fresh
      }
      const after = await stirOf(destination)
      const isStill = before.turns === after.turns && before.sessions + after.sessions === 0
      if (isStill || (pass > 0 && found === 0)) return
    }
  }

  async function* once(destination: string, query: Query, read: readonly ('from' | 'receivedAt')[]): AsyncIterable<Selected[]> {
    const asked = fieldsFor(query)
    const fields = asked[0] === 'data' ? asked : [...new Set([...asked, ...read])]
    for await (const piece of walk(destination, query.states ?? TASK_STATES, fields))
      yield piece.flatMap((task) => selected(query, task, fields))
  }

  return {
    destinations,
    once,
    tasks: async function* tasks(query, look = () => {}) {
      let count = 0
      for await (const found of destinations(query)) {
        for (const { destination } of found) {
          if (query.ids !== undefined && !(await holdsAny(destination, query.ids))) continue
          yield* tasksOf(destination, query, (more) => {
            count += more
            look(count)
          })
        }
      }
    },
  }
}
