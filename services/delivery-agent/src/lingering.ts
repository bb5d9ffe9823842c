/**
 * Sessions that have nothing to take stay a moment: the spool tells this agent when something has come, and the mail of a busy
 * destination needs no new session each time. A session that lingers holds no permit; it keeps one of the agent's places, at most a
 * quarter of them are kept so, and the one that has lingered longest gives way as soon as the last place is taken. A word that gets
 * lost costs no more than the moment.
 */
import type { Log } from '@sluice/runtime'
import { nudgeChannel, type SessionKey, type TurnMode } from '@sluice/spool'
import type { Cluster, Redis } from 'ioredis'

/** Mail that comes at this pace, or faster, is worth waiting for. */
const PACE_MS = 2000
const MOST_DESTINATIONS = 1000
/** Words that came before their session waits: the reply and the word take different ways. */
const MOST_EARLY = 100

export type Lingering = {
  /** A session takes a place. */
  begin: (session: SessionKey) => void
  end: (session: SessionKey) => void
  /** The agent's name when the session may linger; null when it is to close. @param attempted tasks of this run */
  mayLinger: (session: SessionKey, attempted: number) => string | null
  /** Until something has come, the time is over, or its place is wanted; and the turn that comes then. */
  wait: (session: SessionKey, ms: number) => Promise<TurnMode>
  /** All of them close, now and from now on. */
  close: () => void
}

export type LingeringOptions = {
  /** A connection of its own; it may be used for nothing else. */
  subscriber: Redis | Cluster
  /** The agent's name: no blanks, and no other's. */
  agent: string
  lanes: number
  /** Sessions of a lane that run at once. */
  places: number
  log: Log
}

type Lane = { running: number; waiting: Map<string, (nudged: boolean) => void>; early: Set<string> }

const forgetOldest = (known: { size: number; keys: () => Iterator<string>; delete: (key: string) => unknown }, most: number) => {
  if (known.size <= most) return
  const oldest = known.keys().next()
  if (oldest.done !== true) known.delete(oldest.value)
}

export const createLingering = ({ subscriber, agent, lanes, places, log }: LingeringOptions): Lingering => {
  const most = Math.floor(places / 4)
  const all = Array.from({ length: lanes }, (): Lane => ({ running: 0, waiting: new Map(), early: new Set() }))
  const servedAt = new Map<string, number>()
  let listens = false
  let closed = false

  const dismissOldest = ({ waiting }: Lane): void => waiting.values().next().value?.(false)
  const nudge = (lane: Lane, id: string): void => {
    const go = lane.waiting.get(id)
    if (go === undefined) lane.early.add(id)
    else go(true)
    forgetOldest(lane.early, MOST_EARLY)
  }

  if (most > 0) {
    const channels = new Map(all.map((lane, number) => [nudgeChannel(number, agent), lane]))
    subscriber.on('message', (channel: string, id: string) => {
      const lane = channels.get(channel)
      if (lane !== undefined) nudge(lane, id)
    })
    subscriber.subscribe(...channels.keys()).then(
      () => {
        listens = true
      },
      (error: unknown) =>
        log.warn('redis lets this agent hear of no new mail: each session closes when it has nothing to do', { error }),
    )
  }

  return {
    begin: ({ lane }) => {
      const own = all[lane]!
      own.running++
      if (own.running >= places) dismissOldest(own)
    },
    end: ({ lane, destination, id }) => {
      all[lane]!.running--
      all[lane]!.early.delete(id)
      servedAt.delete(destination)
      servedAt.set(destination, performance.now())
      forgetOldest(servedAt, MOST_DESTINATIONS)
    },
    mayLinger: ({ lane, destination }, attempted) => {
      if (closed || !listens || subscriber.status !== 'ready' || all[lane]!.running >= places) return null
      const last = servedAt.get(destination) ?? Number.NEGATIVE_INFINITY
      return attempted > 1 || performance.now() - last < PACE_MS ? agent : null
    },
    wait: ({ lane, id }, ms) => {
      if (closed) return Promise.resolve<TurnMode>(`close ${agent}`)
      const { waiting, early } = all[lane]!
      if (early.delete(id)) return Promise.resolve<TurnMode>(`resume ${agent}`)
      return new Promise<TurnMode>((resolve) => {
        const over = (isDismissed: boolean): void => {
          clearTimeout(timer)
          waiting.delete(id)
          resolve(isDismissed ? `close ${agent}` : `resume ${agent}`)
        }
        const timer = setTimeout(over, ms, false)
        waiting.set(id, (nudged) => over(!nudged))
        if (waiting.size > most) dismissOldest(all[lane]!)
      })
    },
    close: () => {
      closed = true
      for (const lane of all) for (const go of [...lane.waiting.values()]) go(false)
    },
  }
}
