/**
 * The record of one connection (R-transcript): what was said before the first message (greeting, EHLO, TLS, AUTH) stays, what was
 * said for a message is forgotten when the next one begins. Lines and number of lines are bounded; a far end cannot fill memory.
 */
const MAX_LINES = 2_000
const MAX_LINE_LENGTH = 1_000

export type Transcript = {
  said: (side: 'S' | 'C', line: string) => void
  note: (text: string) => void
  /** Puts what was said over an earlier connection, for this one's sake, before the opening. */
  precede: (lines: readonly string[]) => void
  /** A message begins: what was said for the one before is forgotten. */
  begin: () => void
  /** Opening and this message's own conversation. */
  lines: () => string[]
}

const clean = (text: string): string => text.replace(/\p{Cc}+/gu, ' ').slice(0, MAX_LINE_LENGTH)

export const createTranscript = (): Transcript => {
  const opening: string[] = []
  let current = opening
  const add = (line: string): void => {
    if (current.length < MAX_LINES) current.push(clean(line))
    else if (current.length === MAX_LINES) current.push('# the rest is left out')
  }
  return {
    said: (side, line) => add(`${side}: ${line}`),
    note: (text) => add(`# ${text}`),
    precede: (lines) => {
      opening.unshift(...lines)
    },
    begin: () => {
      current = []
    },
    lines: () => (current === opening ? [...opening] : [...opening, ...current]),
  }
}
