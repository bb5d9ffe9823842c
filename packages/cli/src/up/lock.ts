/**
 * One `sluice up` per data folder. The lock is a socket in Linux's abstract namespace, named after the folder: it vanishes with
 * its process, however that ends, so that there is no stale lock to remove.
 */
import { createHash } from 'node:crypto'
import { realpath } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { text } from 'node:stream/consumers'

/** Who holds it, as far as it answers. */
const askHolder = async (path: string): Promise<string> => {
  const socket = connect(path)
  socket.setTimeout(1000, () => socket.destroy())
  return text(socket).catch(() => '')
}

const listen = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })

/**
 * @param folder the data folder, which exists
 * @throws in words when another process has it
 * @returns gives the lock back
 */
export const lockData = async (folder: string): Promise<() => void> => {
  const name = createHash('sha256')
    .update(await realpath(folder))
    .digest('hex')
    .slice(0, 32)
  const path = `\0sluice-${name}`
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.end(`process ${process.pid}`)
  })
  try {
    await listen(server, path)
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE')) throw cause
    const holder = await askHolder(path)
    throw new Error(`another \`sluice up\` runs with the data folder ${folder}${holder === '' ? '' : ` (${holder})`}`, { cause })
  }
  server.unref()
  return () => server.close()
}
