/**
 * WAIT: a message gets its 250 only when so many replicas have it. WAIT tells of what its own connection wrote, so it goes out on
 * the connection that wrote, or not at all: on another one it would say yes at once. Writes that end while one WAIT is under way
 * share the next.
 */
import { Cluster, type Redis } from 'ioredis'
import { StoreError } from './types.ts'

export type ReplicaWait = { replicas: number; timeoutMs: number }

type Shared = { current: Promise<number> | null; next: Promise<number> | null }

const connectionOn = (redis: Redis | Cluster, socket: object): Redis | undefined =>
  (redis instanceof Cluster ? redis.nodes('master') : [redis]).find(
    ({ stream, status }) => stream === socket && status === 'ready',
  )

/**
 * @returns (the connection on which something was written) → resolves when enough replicas have it; rejects with a StoreError of
 * unknown fate: the master has it, and will deliver it
 */
export const createReplicated = (redis: Redis | Cluster, { replicas, timeoutMs }: ReplicaWait) => {
  const bySocket = new WeakMap<object, Shared>()

  const ask = async (socket: object): Promise<number> => {
    const connection = connectionOn(redis, socket)
    if (connection === undefined) throw new Error('the connection broke before the replicas could be asked')
    return connection.wait(replicas, timeoutMs)
  }

  const share = (socket: object): Promise<number> => {
    const shared = bySocket.get(socket) ?? { current: null, next: null }
    bySocket.set(socket, shared)
    const begin = (): Promise<number> => {
      const asked = ask(socket).finally(() => {
        if (shared.current === asked) shared.current = null
      })
      shared.current = asked
      return asked
    }
    if (shared.current === null) return begin()
    shared.next ??= shared.current
      .catch(() => {})
      .then(() => {
        shared.next = null
        return begin()
      })
    return shared.next
  }

  return async (socket: object | null): Promise<void> => {
    const found = await (socket === null ? Promise.reject(new Error('it was sent on no connection')) : share(socket)).catch(
      (cause: unknown) => {
        const why = cause instanceof Error ? cause.message : String(cause)
        throw new StoreError('unknown', `stored, but nobody knows whether replicas have it: ${why}`, { cause })
      },
    )
    if (found < replicas)
      throw new StoreError('unknown', `stored, but ${found} of ${replicas} replicas have it after ${timeoutMs} ms`)
  }
}
