/** How mail looks on the wire: the end of content, dot-stuffing, paths. */
export const END = Buffer.from('\r\n.\r\n')

/** Removes the dot at the start of each line that begins with one (RFC 5321 §4.5.2). */
export const removeStuffing = (stuffed: Buffer): Buffer => {
  const pieces: Buffer[] = []
  let from = stuffed[0] === 0x2e ? 1 : 0
  for (let at = stuffed.indexOf('\r\n.', from); at >= 0; at = stuffed.indexOf('\r\n.', from)) {
    pieces.push(stuffed.subarray(from, at + 2))
    from = at + 3
  }
  return Buffer.concat([...pieces, stuffed.subarray(from)])
}

/** What is between `<` and `>` in a path, and what follows it. */
export const splitPath = (text: string): { address: string; parameters: string } => {
  const match = /^[^:]*:\s*<((?:"(?:[^"\\]|\\.)*"|[^>])*)>\s*(.*)$/s.exec(text)
  return { address: match?.[1] ?? '', parameters: match?.[2] ?? '' }
}
