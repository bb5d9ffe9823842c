/** The first circle in a graph, as the names along it (first and last are the same), or null. */
export const findCycle = (edges: ReadonlyMap<string, string[]>): string[] | null => {
  const done = new Set<string>()
  const visit = (name: string, path: string[]): string[] | null => {
    const at = path.indexOf(name)
    if (at >= 0) return [...path.slice(at), name]
    if (done.has(name)) return null
    for (const next of edges.get(name) ?? []) {
      const cycle = visit(next, [...path, name])
      if (cycle !== null) return cycle
    }
    done.add(name)
    return null
  }
  for (const name of edges.keys()) {
    const cycle = visit(name, [])
    if (cycle !== null) return cycle
  }
  return null
}
