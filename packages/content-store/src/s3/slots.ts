/** So many may go on at once; who comes later waits for a place, in order, and gives up after a time. */

export type Slots = {
  /** @returns what frees the place; calling it again does no harm. Rejects when there was none in time. */
  take: () => Promise<() => void>
}

type Waiting = { go: () => void }

export const createSlots = (places: number, patienceMs: number): Slots => {
  let free = places
  const line = new Set<Waiting>()
  const leave = (): void => {
    const [next] = line
    if (next === undefined) free++
    else {
      line.delete(next)
      next.go()
    }
  }
  const freeing = (): (() => void) => {
    let isHeld = true
    return () => {
      if (isHeld) leave()
      isHeld = false
    }
  }
  return {
    take: async () => {
      if (free > 0) {
        free--
        return freeing()
      }
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const waiting: Waiting = { go: resolve }
      line.add(waiting)
      const late = setTimeout(() => {
        line.delete(waiting)
        reject(new Error(`all ${places} places for uploads were taken for ${patienceMs} ms`))
      }, patienceMs)
      await promise.finally(() => clearTimeout(late))
      return freeing()
    },
  }
}
