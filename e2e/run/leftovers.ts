/** Finds processes that outlived the tests that started them, by a mark in their environment (Linux: /proc). */
import { readdir, readFile } from 'node:fs/promises'

export type Leftover = { pid: number; command: string }

const readProcess = async (pid: string, mark: string): Promise<Leftover | null> => {
  try {
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1')
    if (!environment.split('\0').includes(mark)) return null
    const command = (await readFile(`/proc/${pid}/cmdline`, 'latin1')).replaceAll('\0', ' ').trim()
    return command === '' ? null : { pid: Number(pid), command }
  } catch {
    return null
  }
}

/** @param mark `NAME=value` as it stands in the environment of everything the tests start */
export const findLeftovers = async (mark: string): Promise<Leftover[]> => {
  const pids = (await readdir('/proc').catch((): string[] => [])).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(pids.map((pid) => readProcess(pid, mark)))
  return found.filter((entry): entry is Leftover => entry !== null && entry.pid !== process.pid)
}

/** Ends them and says which they were. */
export const endLeftovers = async (mark: string): Promise<Leftover[]> => {
  const leftovers = await findLeftovers(mark)
  for (const { pid } of leftovers) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended by itself in the meantime.
    }
  }
  return leftovers
}
