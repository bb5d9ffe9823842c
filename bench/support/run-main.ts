/** Runs a bench to its exit code; signals abort it, so that what it started is stopped. */
export const runMain = (main: (signal: AbortSignal) => Promise<boolean>): void => {
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stop.abort(new Error(`stopped by ${name}`)))
  main(stop.signal).then(
    (good) => {
      process.exitCode = good ? 0 : 1
    },
    (error: unknown) => {
      console.error(error instanceof Error ? error.message : error)
      process.exitCode = 1
    },
  )
}
