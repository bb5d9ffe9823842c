/**
 * So many may go on at once; who comes later waits for a place, in order, and gives up after a time. Nobody may have more places
 * than are left for others: one client alone gets half of them, the next one half of the rest, and so on. So a client that holds
 * its places for long, as a slow one does, holds up itself.
 */

export type Slots = {
  /**
   * @param client whose place it is
   * @returns what frees the place; calling it again does no harm. Rejects when there was none in time.
   */
  take: (client: string) => Promise<() => void>
}

type Waiting = { client: string; go: () => void }

export const createSlots = (places: number, patienceMs: number): Slots => {
  let free = places
  const held = new Map<string, number>()
  const line = new Set<Waiting>()
  const heldBy = (client: string): number => held.get(client) ?? 0
  const isFreeFor = (client: string): boolean => heldBy(client) < free
  const enter = (client: string): void => {
    free--
    held.set(client, heldBy(client) + 1)
  }
  const leave = (client: string): void => {
    free++
    if (heldBy(client) === 1) held.delete(client)
    else held.set(client, heldBy(client) - 1)
    for (const waiting of line) {
      if (free === 0) return
      if (!isFreeFor(waiting.client)) continue
      line.delete(waiting)
      enter(waiting.client)
      waiting.go()
    }
  }
  const freeing = (client: string): (() => void) => {
    let isHeld = true
    return () => {
      if (isHeld) leave(client)
      isHeld = false
    }
  }
  return {
    take: async (client) => {
      if (isFreeFor(client)) {
        enter(client)
        return freeing(client)
      }
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const waiting: Waiting = { client, go: resolve }
      line.add(waiting)
      const late = setTimeout(() => {
        line.delete(waiting)
        const taken =
          free === 0
            ? `all ${places} places for uploads were taken`
            : `this client held its part of the ${places} places for uploads`
        reject(new Error(`${taken} for ${patienceMs} ms`))
      }, patienceMs)
      await promise.finally(() => clearTimeout(late))
      return freeing(client)
    },
  }
}
