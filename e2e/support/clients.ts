/** What the clients of a steady load have in common: an even pace, and an end to their patience. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Smtp } from './load.ts'

/**
 * Evenly spaced, however many wait; after an outage nothing is made up for.
 * @param catchUpMs how far behind the even pace it may come, on a machine that gives this process no time for a while, and catch up
 */
export const createPace = (perSecond: number, catchUpMs = 0) => {
  let nextAt = Date.now()
  return async (): Promise<void> => {
    const now = Date.now()
    const at = Math.max(now - catchUpMs, nextAt)
    nextAt = at + 1000 / perSecond
    if (at > now) await sleep(at - now)
  }
}

/** The next reply; a server that has none in time loses its client. @throws when the connection ends */
export const replyWithin = async (smtp: Smtp, limitMs: number): Promise<string> => {
  const late = setTimeout(() => smtp.close(), limitMs)
  try {
    return await smtp.reply()
  } finally {
    clearTimeout(late)
  }
}
