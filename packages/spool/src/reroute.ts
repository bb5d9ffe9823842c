/**
 * Moves a task to another destination, whatever its lane: content, attempts and the clock of its retries go along. It stands there
 * before the queue it comes from lets go of it, and a move that is made again after a crash adds nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Attempt, laneOf, lanePrefix, type Mark, type Task } from '@sluice/contracts'
import type { Cluster, Redis } from 'ioredis'
import { decodeTask, encodeTask } from './payload.ts'
import { createRunner } from './script.ts'

export type Move = {
  task: Task
  /** Bytes that lie beside the task; null when they lie in a store. */
  content: Buffer | null
  mark: Mark
  /** Destinations. */
  from: string
  to: string
}

/** `clash`: another task of the same message stands there and cannot be joined with; nothing was done. */
export type Reroute = (move: Move) => Promise<{ kind: 'moved' } | { kind: 'clash'; why: string }>

const MOST_ATTEMPT_LINES = 100
const TRIES = 20
const PAUSE_MS = 250

const inOrder = (a: Attempt, b: Attempt): number => a.at - b.at

/** Two tasks of one message become one: all recipients, all attempts; the older clock of retries holds for both. */
const joined = (there: Task, task: Task): Task => {
  const known = new Set(there.to.map(({ address }) => address))
  return {
    ...there,
    to: [...there.to, ...task.to.filter(({ address }) => !known.has(address))],
    attempts: [...there.attempts, ...task.attempts].sort(inOrder).slice(-MOST_ATTEMPT_LINES),
  }
}

export const createReroute = ({ redis, lanes, now }: { redis: Redis | Cluster; lanes: number; now: () => number }): Reroute => {
  const run = createRunner(redis)

  const put = async ({ task, content, mark, from, to }: Move, data: Task, replaces: string): Promise<[string, string?]> => {
    const prefix = lanePrefix(laneOf(to, lanes))
    const deeds = `${JSON.stringify(mark)}\n`
    const args = [prefix, to, now(), task.id, encodeTask(data), content ?? '', `${mark.op}:${from}`, deeds, replaces]
    const reply = await run('reroute', `${prefix}:due`, args)
    return Array.isArray(reply) ? [String(reply[0]), reply[1] === undefined ? '' : String(reply[1])] : ['busy']
  }

  /** The content stays while a task needs it; said once the task stands there, or the sweep would strike it off again. */
  const keepContent = async ({ task, to }: Move): Promise<void> => {
    if (task.content.store !== 'inline') await redis.sadd(`${lanePrefix(task.content.lane)}:needs:${task.id}`, to)
  }

  return async (move) => {
    let data = move.task
    let replaces = ''
    for (let tries = 0; tries < TRIES; tries++) {
      const [result, found = ''] = await put(move, data, replaces)
      if (result === 'moved') {
        await keepContent(move)
        return { kind: 'moved' }
      }
      if (result === 'busy') await sleep(PAUSE_MS)
      else {
        const there = decodeTask(found)
        if (there.kind === 'corrupt') return { kind: 'clash', why: there.reason }
        if (JSON.stringify(there.value.content) !== JSON.stringify(move.task.content) || move.task.content.store === 'inline')
          return { kind: 'clash', why: 'a message of this ID with another content waits there' }
        data = joined(there.value, move.task)
        replaces = found
      }
    }
    return { kind: 'clash', why: 'a task of the same message is in transmission there' }
  }
}
