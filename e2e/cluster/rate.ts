/** How quickly a steady load really went, and how long its messages took: what tells a slow machine from a slow client. */
import type { MailLoad } from './mail-load.ts'

/** Watches from now on, or from the load's first message. @returns what says it, whenever it is called */
export const watchRate = (load: MailLoad, fromItsBegin = false): (() => string) => {
  const first = fromItsBegin ? 0 : load.accepted.length
  const startedAt = fromItsBegin ? load.startedAt : performance.now()
  return () => {
    const took = load.tookMs.slice(first).sort((a, b) => a - b)
    const rate = (1000 * took.length) / (performance.now() - startedAt)
    const part = (share: number): string => `${(took[Math.floor(took.length * share)] ?? 0).toFixed(0)} ms`
    return `${rate.toFixed(0)} of ${load.rate} messages/s, half within ${part(0.5)}, 95 % within ${part(0.95)}`
  }
}
