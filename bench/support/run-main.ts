/** Runs a bench to its exit code. A signal aborts it, so that what it started is stopped; what takes too long to stop is left. */

const STOP_WITHIN_MS = 20_000

export const runMain = (main: (signal: AbortSignal) => Promise<boolean>): void => {
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      stop.abort(new Error(`stopped by ${name}`))
      setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref()
    })
  }
  main(stop.signal).then(
    (good) => process.exit(good ? 0 : 1),
    (error: unknown) => {
      console.error(error instanceof Error ? error.message : error)
      process.exit(1)
    },
  )
}
