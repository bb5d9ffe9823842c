/**
 * Where an account's mail lies: DIRECTORY/DOMAIN/LOCAL, a Maildir with tmp, new and cur. Folders are made when the first mail
 * comes, and their names are durable before anything is put into them. What a file system could misread in a local part
 * (a slash, a leading dot, a colon, anything beyond ASCII) is written as %HH per byte, so that two accounts never share a
 * folder and none leads out of the directory.
 */
import { constants } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'

const encodeByte = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`

/** `o'hara/x` → `o%27hara%2Fx`, `.hidden` → `%2Ehidden` */
export const encodeName = (text: string): string => {
  let encoded = ''
  for (const [at, byte] of Buffer.from(text).entries()) {
    const char = String.fromCharCode(byte)
    const plain = byte < 0x80 && (at === 0 ? /[A-Za-z0-9_]/ : /[A-Za-z0-9_.+=-]/).test(char)
    encoded += plain ? char : encodeByte(byte)
  }
  return encoded
}

/** @param address the account's mailbox, `local@domain`; a quoted local part may hold an @ itself */
export const accountFolder = (directory: string, address: string): string => {
  const at = address.lastIndexOf('@')
  return join(directory, encodeName(address.slice(at + 1)), encodeName(address.slice(0, at)))
}

export const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes tmp, new and cur and whatever is missing above them; all names are durable when this resolves. */
export const ensureMaildir = async (folder: string): Promise<void> => {
  const made: string[] = []
  for (const name of ['tmp', 'new', 'cur']) {
    const first = await mkdir(join(folder, name), { recursive: true, mode: 0o700 })
    if (first !== undefined) made.push(first, join(folder, name))
  }
  const parents = new Set<string>()
  for (let i = 0; i < made.length; i += 2) {
    for (let path = made[i + 1]!; path.length >= made[i]!.length; path = dirname(path)) parents.add(dirname(path))
  }
  for (const parent of parents) await syncDirectory(parent)
}
