/** The quantities of units.ts as zod schemas: written as text, read as numbers. Their `meta.type` stands in the reference. */
import { z } from 'zod'
import { parseAddress, parseDurationMs, parsePercent, parseRate, parseSizeBytes } from './units.ts'

const parsed = <T>(type: string, parse: (text: string) => T | null, expected: string) =>
  z
    .custom<string | number>((value) => typeof value === 'string' || typeof value === 'number', {
      error: (issue) => `expected ${expected}, not ${JSON.stringify(issue.input)}`,
    })
    .transform((value, context): T => {
      const result = parse(String(value))
      if (result !== null) return result
      context.issues.push({ code: 'custom', input: value, message: `expected ${expected}, not ${JSON.stringify(value)}` })
      return z.NEVER
    })
    .meta({ type })

/** ms */
export const duration = () => parsed('duration', parseDurationMs, 'a duration with its unit, such as 200ms, 30s, 5m, 2h or 1d')
/** What setTimeout can wait for; beyond, it would end at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1
/** ms, of a time that a process waits for itself */
export const timerDuration = () =>
  duration().refine((ms) => ms <= LONGEST_TIMER_MS, { error: 'expected at most 24d: a longer time cannot be waited for' })
/** bytes */
export const size = () => parsed('size', parseSizeBytes, 'a size, such as 50KiB, 25MiB, 1GiB or a plain number of bytes')
export const rate = () => parsed('rate', parseRate, 'a rate, such as 5/s, 100/min, 1000/h or 10000/d')
/** a fraction, 0 to 1 */
export const percent = () => parsed('percentage', parsePercent, 'a percentage from 0% to 100%')
export const address = () =>
  parsed('address', parseAddress, 'an address: host:port, [IPv6]:port, or a port alone (all addresses)')
