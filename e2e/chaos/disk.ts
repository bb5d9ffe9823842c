/** The small disk under Redis: a tmpfs of its own, where we may mount one. It can be filled to the last byte, and freed. */
import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { startProgram } from '@sluice/testkit'

const SIZE = '512m'
const PIECE = Buffer.alloc(4 * 1024 * 1024)

export type Disk = {
  folder: string
  /** Without the right to mount, Redis lies on the disk of all, which is not filled. */
  canFill: boolean
  fill: () => Promise<void>
  free: () => Promise<void>
  remove: () => Promise<void>
}

const runs = async (command: string, args: string[]): Promise<boolean> => {
  const program = await startProgram(command, args).catch(() => null)
  return program !== null && (await program.exited) === 0
}

export const makeDisk = async (folder: string): Promise<Disk> => {
  await mkdir(folder, { recursive: true })
  const canFill = await runs('mount', ['-t', 'tmpfs', '-o', `size=${SIZE},mode=700`, 'tmpfs', folder])
  const filler = join(folder, 'filler')
  return {
    folder,
    canFill,
    fill: async () => {
      const file = await open(filler, 'w')
      try {
        for (let size = PIECE.length; size >= 1; ) {
          try {
            await file.appendFile(PIECE.subarray(0, size))
          } catch {
            size = Math.floor(size / 16)
          }
        }
      } finally {
        await file.close()
      }
    },
    free: () => rm(filler, { force: true }),
    remove: async () => {
      if (canFill) await runs('umount', ['-l', folder])
    },
  }
}
