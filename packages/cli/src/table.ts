/** Columns for people: names at the left, numbers at the right, two spaces between. As many rows as there are: a spool has no limit. */
export const formatTable = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string => {
  const widths = head.map((title, column) =>
    rows.reduce((width, row) => Math.max(width, String(row[column] ?? '').length), title.length),
  )
  const line = (cells: readonly (string | number)[]): string =>
    cells
      .map((cell, column) =>
        typeof cell === 'number' ? String(cell).padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd()
  return `${[line(head), ...rows.map(line)].join('\n')}\n`
}

/** `45 s`, `5 min`, `2 h`, `3 d` */
export const formatSpan = (ms: number): string => {
  const seconds = Math.round(ms / 1000)
  if (seconds < 90) return `${seconds} s`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`
}

/** `in 5 min`, `2 h ago`: how far a moment is from now. */
export const formatDistance = (at: number, now: number): string =>
  at >= now ? `in ${formatSpan(at - now)}` : `${formatSpan(now - at)} ago`

export const formatTime = (at: number): string => new Date(at).toISOString().replace('T', ' ').slice(0, 19)
