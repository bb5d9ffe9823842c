/**
 * What one turn of the event loop writes to a socket goes out with one system call, and Redis answers it with one sync of its
 * append-only file. Node.js would make a call of each write. Nothing waits longer than the turn in which it was written.
 */
import type { Duplex } from 'node:stream'

/** Applies to this socket until it closes. */
export const writeTogether = (socket: Duplex): void => {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
  let held = false
  const release = (): void => {
    held = false
    socket.uncork()
  }
  const writeLater = (...args: unknown[]): boolean => {
    if (!held) {
      held = true
      socket.cork()
      setImmediate(release)
    }
    return write(...args)
  }
  socket.write = writeLater as Duplex['write']
}
