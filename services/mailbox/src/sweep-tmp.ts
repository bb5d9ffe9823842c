/** Removes what interrupted deliveries left in tmp: files that nobody has written to for 36 hours, as the Maildir standard says. */
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

const MAX_AGE_MS = 36 * 3_600_000

const isAbsent = (fault: unknown): boolean =>
  fault instanceof Error && 'code' in fault && (fault.code === 'ENOENT' || fault.code === 'ENOTDIR')

const list = async (folder: string): Promise<string[]> => {
  try {
    return (await readdir(folder)).map((name) => join(folder, name))
  } catch (fault) {
    if (isAbsent(fault)) return []
    throw fault
  }
}

const isOld = async (path: string, nowMs: number): Promise<boolean> => {
  try {
    const { mtimeMs } = await stat(path)
    return nowMs - mtimeMs > MAX_AGE_MS
  } catch (fault) {
    if (isAbsent(fault)) return false
    throw fault
  }
}

/** @returns how many files were removed from the tmp folders of all accounts below `directory` */
export const sweepTmp = async (directory: string, nowMs: number): Promise<number> => {
  let removed = 0
  for (const domain of await list(directory)) {
    for (const account of await list(domain)) {
      for (const path of await list(join(account, 'tmp'))) {
        if (!(await isOld(path, nowMs))) continue
        await rm(path, { force: true })
        removed++
      }
    }
  }
  return removed
}
