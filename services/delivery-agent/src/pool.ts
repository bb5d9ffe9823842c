/**
 * Open connections that wait for the next conversation with the same far end. Keyed by what makes connections equal; each waits
 * at most `idleMs`, a connection that ends meanwhile is forgotten, and at most `maxIdle` wait in all.
 */
import type { SmtpClient } from './smtp-client.ts'

type Idle = { client: SmtpClient; timer: NodeJS.Timeout; forget: () => void }

export type Pool = {
  take: (key: string) => SmtpClient | null
  put: (key: string, client: SmtpClient) => void
  /** Says QUIT on all. */
  close: () => void
  size: () => number
}

export const createPool = ({ idleMs, maxIdle = 500 }: { idleMs: number; maxIdle?: number }): Pool => {
  const waiting = new Map<string, Idle[]>()
  let count = 0
  let closed = false

  const remove = (key: string, idle: Idle): void => {
    const list = waiting.get(key)
    const at = list?.indexOf(idle) ?? -1
    if (list === undefined || at < 0) return
    list.splice(at, 1)
    if (list.length === 0) waiting.delete(key)
    count--
    clearTimeout(idle.timer)
    idle.client.removeListener('end', idle.forget)
  }

  return {
    take: (key) => {
      for (;;) {
        const idle = waiting.get(key)?.at(-1)
        if (idle === undefined) return null
        remove(key, idle)
        if (idle.client.isOpen) return idle.client
      }
    },
    put: (key, client) => {
      if (closed || idleMs <= 0 || count >= maxIdle || !client.isOpen) return client.leave()
      const idle: Idle = {
        client,
        timer: setTimeout(() => {
          remove(key, idle)
          client.leave()
        }, idleMs),
        forget: () => remove(key, idle),
      }
      client.once('end', idle.forget)
      const list = waiting.get(key)
      if (list === undefined) waiting.set(key, [idle])
      else list.push(idle)
      count++
    },
    close: () => {
      closed = true
      for (const [key, list] of [...waiting]) {
        for (const idle of [...list]) {
          remove(key, idle)
          idle.client.leave()
        }
      }
    },
    size: () => count,
  }
}
