/** R-transcript: credentials never stand in a transcript. AUTH (RFC 4954) may carry them in its own line and in those that follow. */

export const REDACTED = '[redacted]'

/**
 * A command as it may stand in a transcript or a log.
 *
 * @param inAuth the line answers a 334 of the far end: all of it is credentials (but `*`, which cancels)
 */
export const redactCommand = (line: string, inAuth = false): string => {
  if (inAuth) return line.trim() === '*' ? line : REDACTED
  const auth = /^(\s*AUTH(?:\s+[A-Za-z0-9_-]+)?)(\s.*)?$/is.exec(line)
  if (auth === null) return line
  return auth[2] === undefined || auth[2].trim() === '' ? auth[1]!.trimEnd() : `${auth[1]} ${REDACTED}`
}

/** A whole transcript of `C: …` and `S: …` lines, with what follows each `AUTH` redacted as long as the far end answers 334. */
export const redactTranscript = (lines: readonly string[]): string[] => {
  let inAuth = false
  return lines.map((line) => {
    if (line.startsWith('S: 334')) {
      inAuth = true
      return line
    }
    if (line.startsWith('S: ')) inAuth = false
    if (!line.startsWith('C: ')) return line
    const redacted = `C: ${redactCommand(line.slice(3), inAuth)}`
    inAuth = false
    return redacted
  })
}
