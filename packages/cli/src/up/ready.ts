/** Waits until every service is ready by its /readyz; a full store is no reason to wait, its own log tells of it. */
import { setTimeout as wait } from 'node:timers/promises'
import type { Listening } from '@sluice/runtime'

const EVERY_MS = 50
const SAY_WHY_AFTER_MS = 5000

const httpOf = (listening: Listening[]): string | null => {
  const found = listening.find(({ name }) => name === 'http')
  if (found === undefined) return null
  const host = found.address === '::' || found.address === '0.0.0.0' ? '127.0.0.1' : found.address
  return `http://${host.includes(':') ? `[${host}]` : host}:${found.port}/readyz`
}

/** @returns null when it is ready, else why not */
const ask = async (listening: Listening[] | undefined): Promise<string | null> => {
  if (listening === undefined) return 'it starts'
  const url = httpOf(listening)
  if (url === null) return null
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) })
    const text = await response.text()
    return response.ok ? null : text.trim()
  } catch (fault) {
    return fault instanceof Error ? fault.message : String(fault)
  }
}

/**
 * @param listening what is known so far of each service
 * @param onWait told about every 5 s who is not ready, and why
 */
export const awaitReady = async (
  names: readonly string[],
  listening: () => Map<string, Listening[]>,
  signal: AbortSignal,
  onWait: (name: string, reason: string) => void,
): Promise<void> => {
  let saidAt = performance.now()
  for (const name of names) {
    for (;;) {
      const reason = await ask(listening().get(name))
      if (reason === null) break
      if (performance.now() - saidAt > SAY_WHY_AFTER_MS) {
        saidAt = performance.now()
        onWait(name, reason)
      }
      await wait(EVERY_MS, undefined, { signal })
    }
  }
}
