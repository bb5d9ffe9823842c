/** Waiting for a state, with a limit. */
import { setTimeout as sleep } from 'node:timers/promises'

/** Asks until the answer is yes; an error counts as no. @throws after the limit, with what was waited for */
export const until = async (what: string, look: () => Promise<boolean> | boolean, limitMs = 30_000): Promise<void> => {
  const lateAt = Date.now() + limitMs
  for (;;) {
    const isSo = await Promise.resolve()
      .then(look)
      .catch(() => false)
    if (isSo) return
    if (Date.now() > lateAt) throw new Error(`waited ${limitMs} ms in vain for ${what}`)
    await sleep(50)
  }
}
