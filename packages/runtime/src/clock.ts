/**
 * The time of day, in ms since the epoch. Retry schedules take it as a parameter, so that tests can set it: when
 * SLUICE_CLOCK_FILE names a file, its number of ms is added, and read again every 50 ms. Leases, rates and time-outs do not use
 * this clock: they run on real time.
 */
import { readFileSync } from 'node:fs'

export type Clock = () => number

export const createClock = (env: NodeJS.ProcessEnv): Clock => {
  const file = env.SLUICE_CLOCK_FILE
  if (file === undefined) return Date.now
  let offsetMs = 0
  const read = (): void => {
    try {
      offsetMs = Number(readFileSync(file, 'utf8')) || 0
    } catch {
      offsetMs = 0
    }
  }
  read()
  setInterval(read, 50).unref()
  return () => Date.now() + offsetMs
}
