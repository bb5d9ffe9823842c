/**
 * One message into one Maildir (R-maildir): written to tmp, synced, renamed to new, and the folder synced. Whatever ends the
 * process, new holds whole messages only, and a message is durable once `commit` has resolved.
 */
import { randomBytes } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory } from './account-folder.ts'

export type MaildirWriter = {
  write: (piece: Buffer) => Promise<void>
  sizeBytes: () => number
  /** @returns the path in new */
  commit: () => Promise<string>
  /** Removes what was written. Never throws. */
  abort: () => Promise<void>
}

/** The standard's unique name: time, then what no other delivery has, then the host, without slashes and colons. */
const uniqueName = (hostname: string, nowMs: number): string => {
  const seconds = Math.floor(nowMs / 1000)
  const microseconds = (nowMs % 1000) * 1000
  const host = hostname.replaceAll('/', '\\057').replaceAll(':', '\\072')
  return `${seconds}.M${microseconds}P${process.pid}R${randomBytes(8).toString('hex')}.${host}`
}

/** @param folder a Maildir that exists */
export const openMaildirWriter = async (folder: string, hostname: string, nowMs: number): Promise<MaildirWriter> => {
  const name = uniqueName(hostname, nowMs)
  const temporary = join(folder, 'tmp', name)
  const handle = await open(temporary, 'wx', 0o600)
  let sizeBytes = 0
  return {
    write: async (piece) => {
      await handle.appendFile(piece)
      sizeBytes += piece.length
    },
    sizeBytes: () => sizeBytes,
    commit: async () => {
      await handle.sync()
      await handle.close()
      // `,S=` is what Maildir++ readers count quotas by; others take it as part of the name.
      const final = join(folder, 'new', `${name},S=${sizeBytes}`)
      await rename(temporary, final)
      await syncDirectory(join(folder, 'new'))
      return final
    },
    abort: async () => {
      await handle.close().catch(() => {}) // closed already when commit failed
      await rm(temporary, { force: true }).catch(() => {}) // the sweep of old tmp files finds it
    },
  }
}
