/** What a scenario does to a gateway's processes: kill one and see another in its place, and look at what one uses. */
import { readdir, readFile } from 'node:fs/promises'
import { eventually, type ServiceName, type Sluice } from './gateway.ts'

type Killed = Pick<Sluice, 'pidOf' | 'kill'>

/** kill −9; resolves with the process that the supervisor has started instead. */
export const killAndAwaitNext = async (sluice: Killed, name: ServiceName): Promise<number> => {
  const before = sluice.pidOf(name)
  sluice.kill(name)
  return eventually(
    `another ${name}`,
    async () => {
      const now = sluice.pidOf(name)
      return now === before ? null : now
    },
    60_000,
    100,
  )
}

/** The most memory it ever held, bytes (VmHWM of proc(5)). */
export const peakMemory = async (pid: number): Promise<number> => {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]
  if (kib === undefined) throw new Error(`process ${pid} has no VmHWM`)
  return Number(kib) * 1024
}

/** Files and sockets that it has open. */
export const openDescriptors = async (pid: number): Promise<number> => (await readdir(`/proc/${pid}/fd`)).length

/** Processes whose command line or environment names this folder: what a gateway may have left behind. */
export const processesOf = async (folder: string): Promise<number[]> => {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  const found: number[] = []
  for (const name of names) {
    const texts = await Promise.all(
      ['cmdline', 'environ'].map((file) => readFile(`/proc/${name}/${file}`, 'utf8').catch(() => '')),
    )
    if (texts.some((text) => text.includes(folder))) found.push(Number(name))
  }
  return found
}
