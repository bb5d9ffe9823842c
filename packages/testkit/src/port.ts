import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/**
 * Below the ports that systems give to outgoing connections (from 32768 on Linux): one of those may be taken by any client on the
 * machine before the test's own server listens on it.
 */
const LOWEST = 10_000
const HIGHEST = 32_767
const TRIES = 100

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })

/** One config may ask for several before anybody listens on the first. */
const given = new Set<number>()

/** A TCP port on 127.0.0.1 that nobody listens on now, another one at each call of a process. */
export const freePort = async (): Promise<number> => {
  for (let i = 0; i < TRIES; i++) {
    const port = randomInt(LOWEST, HIGHEST + 1)
    if (given.has(port) || !(await isFree(port))) continue
    given.add(port)
    return port
  }
  throw new Error(`no free port after ${TRIES} tries`)
}
