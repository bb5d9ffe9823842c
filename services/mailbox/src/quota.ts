/**
 * How much an account holds, kept as Maildir++ does: `maildirsize` begins with the quota it was made for (`1000S`), followed by
 * one line `bytes messages` per change. Readers that delete mail need not know of it: before an account is called full, its
 * folders are counted anew.
 */
import { randomBytes } from 'node:crypto'
import { appendFile, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Beyond this many bytes the file is made anew (Maildir++ §6). */
const MAX_FILE_BYTES = 5120

const orNothing = async <T>(work: Promise<T>, nothing: T): Promise<T> => {
  try {
    return await work
  } catch (fault) {
    if (fault instanceof Error && 'code' in fault && fault.code === 'ENOENT') return nothing
    throw fault
  }
}

const sizeOf = async (path: string, name: string): Promise<number> => {
  const stated = /,S=(\d+)/.exec(name)?.[1]
  return stated === undefined
    ? orNothing(
        stat(path).then(({ size }) => size),
        0,
      )
    : Number(stated)
}

const countFolder = async (folder: string): Promise<{ bytes: number; messages: number }> => {
  const total = { bytes: 0, messages: 0 }
  for (const kind of ['new', 'cur']) {
    for (const name of await orNothing(readdir(join(folder, kind)), [])) {
      total.bytes += await sizeOf(join(folder, kind, name), name)
      total.messages++
    }
  }
  return total
}

/** Counts the Maildir and its subfolders (`.Sent`, …), and writes the count down if there is a Maildir. */
const recount = async (folder: string, quotaBytes: number): Promise<number> => {
  const subfolders = (await orNothing(readdir(folder), [])).filter((name) => name.startsWith('.'))
  const total = { bytes: 0, messages: 0 }
  for (const place of [folder, ...subfolders.map((name) => join(folder, name))]) {
    const { bytes, messages } = await countFolder(place)
    total.bytes += bytes
    total.messages += messages
  }
  const temporary = join(folder, 'tmp', `maildirsize.${randomBytes(8).toString('hex')}`)
  const written = writeFile(temporary, `${quotaBytes}S\n${total.bytes} ${total.messages}\n`, { mode: 0o600 })
  await orNothing(
    written.then(() => rename(temporary, join(folder, 'maildirsize'))),
    undefined,
  )
  return total.bytes
}

/** @returns null when there is no count that can be trusted */
const readCount = async (folder: string, quotaBytes: number): Promise<number | null> => {
  const text = await orNothing(readFile(join(folder, 'maildirsize'), 'latin1'), '')
  const [head, ...lines] = text.split('\n')
  if (head !== `${quotaBytes}S` || text.length > MAX_FILE_BYTES || !text.endsWith('\n')) return null
  const sizes = lines.slice(0, -1).map((line) => Number(/^\s*(-?\d+) -?\d+$/.exec(line)?.[1] ?? Number.NaN))
  const sum = sizes.reduce((total, size) => total + size, 0)
  return Number.isNaN(sum) || sum < 0 ? null : sum
}

/**
 * Would another `bytes` fit?
 *
 * @param folder the account's Maildir; one that does not exist yet is empty
 */
export const hasRoom = async (folder: string, quotaBytes: number, bytes: number): Promise<boolean> => {
  const counted = await readCount(folder, quotaBytes)
  if (counted !== null && counted + bytes <= quotaBytes) return true
  return (await recount(folder, quotaBytes)) + bytes <= quotaBytes
}

/** Adds a message that was just delivered to the running count. */
export const addToCount = (folder: string, bytes: number): Promise<void> =>
  appendFile(join(folder, 'maildirsize'), `${bytes} 1\n`)
