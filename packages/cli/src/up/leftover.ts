/**
 * A supervisor that was killed leaves its Redis behind. It is told to end before its files are taken over: two Redis on the same
 * files would each write over what the other has promised to keep.
 */
import { readdir, readFile, readlink, realpath } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'

const WITHIN_MS = 15_000

const orNull = <T>(work: Promise<T>): Promise<T | null> => work.catch(() => null)

/** Processes called redis-server that work in this folder; none where there is no /proc. */
const redisIn = async (folder: string): Promise<number[]> => {
  const pids = ((await orNull(readdir('/proc'))) ?? []).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(
    pids.map(async (pid): Promise<number[]> => {
      if ((await orNull(readlink(`/proc/${pid}/cwd`))) !== folder) return []
      return (await orNull(readFile(`/proc/${pid}/comm`, 'utf8')))?.startsWith('redis-server') ? [Number(pid)] : []
    }),
  )
  return found.flat()
}

const terminate = (pid: number): void => {
  try {
    process.kill(pid, 'SIGTERM')
  } catch {
    // It has just ended, or is not ours to end: the next look tells.
  }
}

/**
 * Whatever its port and password were: resolves when no Redis works in `folder`. With `appendfsync always` SIGTERM costs nothing.
 *
 * @throws in one line when one does not end
 */
export const endRedisIn = async (folder: string): Promise<void> => {
  const path = await realpath(folder)
  let left = await redisIn(path)
  for (const pid of left) terminate(pid)
  for (const until = performance.now() + WITHIN_MS; left.length > 0; left = await redisIn(path)) {
    if (performance.now() > until)
      throw new Error(`a redis-server (process ${left.join(', ')}) uses ${folder} and does not end; end it first`)
    await wait(50)
  }
}
