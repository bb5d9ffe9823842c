/** Values over values, as helm lays several files over each other: sections are merged, everything else is replaced. */
const isSection = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const mergeValues = (...layers: object[]): Record<string, unknown> => {
  const merged: Record<string, unknown> = {}
  for (const layer of layers)
    for (const [key, value] of Object.entries(layer)) {
      const before = merged[key]
      merged[key] = isSection(before) && isSection(value) ? mergeValues(before, value) : value
    }
  return merged
}
