/**
 * What processes cost, from proc(5): CPU time and peak memory of a process and of everything below it. A process that has ended
 * and was waited for counts with its parent, so no CPU time of a tree is lost, however short-lived its processes are.
 */
import { readdir, readFile } from 'node:fs/promises'

export type ProcessFigures = {
  pid: number
  parent: number
  /** The command line, words separated by spaces. */
  command: string
  /** User and system time of its own. */
  cpuMs: number
  /** Of those that it started, that have ended, and that it waited for. */
  endedCpuMs: number
  /** The most memory that it ever held (VmHWM); shared pages count in every process that maps them. */
  peakBytes: number
}

/** USER_HZ: 100 on every architecture that Linux runs Node.js on. */
const TICK_MS = 10

const readFigures = async (pid: number): Promise<ProcessFigures | null> => {
  try {
    const [stat, status, command] = await Promise.all(
      ['stat', 'status', 'cmdline'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8')),
    )
    // The name in parentheses may hold anything; after it come state, parent, …; utime is field 14.
    const fields = (stat ?? '').slice((stat ?? '').lastIndexOf(')') + 2).split(' ')
    const ticks = (field: number): number => Number(fields[field - 3])
    return {
      pid,
      parent: ticks(4),
      command: (command ?? '').replaceAll('\0', ' ').trim(),
      cpuMs: (ticks(14) + ticks(15)) * TICK_MS,
      endedCpuMs: (ticks(16) + ticks(17)) * TICK_MS,
      peakBytes: Number(/^VmHWM:\s+(\d+) kB$/m.exec(status ?? '')?.[1] ?? 0) * 1024,
    }
  } catch {
    return null // It has just ended.
  }
}

/** One process; throws when it does not run. */
export const processFigures = async (pid: number): Promise<ProcessFigures> => {
  const figures = await readFigures(pid)
  if (figures === null) throw new Error(`process ${pid} does not run`)
  return figures
}

/** The process and all that descend from it. */
export const processTree = async (root: number): Promise<ProcessFigures[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const all = (await Promise.all(pids.map(readFigures))).filter((each) => each !== null)
  const tree = all.filter(({ pid }) => pid === root)
  for (const { pid } of tree) tree.push(...all.filter(({ parent }) => parent === pid))
  return tree
}
