/** A bounded cache with a fixed time to live: the oldest entry goes first. Answers under way are shared. */
export const createCache = <T>(options: { ttlMs: number; maxEntries: number; now: () => number }) => {
  const entries = new Map<string, { value: Promise<T>; until: number }>()
  /** @param isLasting whether an answer may be kept; others are asked for anew next time */
  return (key: string, load: () => Promise<T>, isLasting: (value: T) => boolean): Promise<T> => {
    const found = entries.get(key)
    if (found !== undefined && found.until > options.now()) return found.value
    entries.delete(key)
    const oldest = entries.size >= options.maxEntries ? entries.keys().next() : undefined
    if (oldest !== undefined && oldest.done !== true) entries.delete(oldest.value)
    const entry = { value: load(), until: options.now() + options.ttlMs }
    entries.set(key, entry)
    const forget = (): void => {
      if (entries.get(key) === entry) entries.delete(key)
    }
    entry.value.then((value) => (isLasting(value) ? undefined : forget()), forget)
    return entry.value
  }
}
