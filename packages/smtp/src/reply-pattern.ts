/**
 * The patterns that reply rules hold against the text of replies: regular expressions without case, of a kind that cannot run away.
 * Far ends write the texts, so a pattern is refused unless the most steps that it can take on MOST_TEXT characters are bounded:
 * nothing but single characters and sets may be repeated, so repetition is never nested; the repetitions and choices that can be
 * combined are counted, and their product is limited. Back references and look-around are refused.
 */

/** Characters of a reply that are looked at. */
export const MOST_TEXT = 500
const MOST_PATTERN = 300
/** Combinations of repetitions and choices, over all starts. Twice `.*` are within it, three times are not. */
const MOST_STEPS = 2e8

type Counted = { combinations: number; refused: string | null }

const QUANTIFIER = /^(?:[*+?]|\{(\d+)(?:,(\d*))?\})\??/
const SET = /^\[\^?\]?(?:\\.|[^\]\\])*\]/s

/** How often at most the quantifier repeats what stands before it. */
const repetitionsOf = (match: RegExpExecArray): number => {
  const [text, least, most] = match
  if (text.startsWith('?')) return 1
  if (least === undefined) return MOST_TEXT
  const given = most === undefined ? Number(least) : most === '' ? MOST_TEXT : Number(most)
  return Math.min(MOST_TEXT, given)
}

const groupStart = (rest: string): { length: number; refused: string | null } => {
  if (rest.startsWith('(?:')) return { length: 3, refused: null }
  return rest.startsWith('(?') ? { length: 1, refused: 'no look-around and no named groups' } : { length: 1, refused: null }
}

/** One piece of a pattern: a group's bracket, a bar, or what a quantifier may follow. */
const count = (pattern: string): Counted => {
  let combinations = 1
  let depth = 0
  let afterGroup = false
  for (let at = 0; at < pattern.length; ) {
    const rest = pattern.slice(at)
    const quantifier = QUANTIFIER.exec(rest)
    if (quantifier !== null) {
      const repetitions = repetitionsOf(quantifier)
      if (afterGroup && repetitions > 1) return { combinations, refused: 'no repetition of a group: only `?` may follow it' }
      combinations *= repetitions + 1
      afterGroup = false
      at += quantifier[0].length
      continue
    }
    afterGroup = false
    if (rest.startsWith('(')) {
      const { length, refused } = groupStart(rest)
      if (refused !== null) return { combinations, refused }
      depth++
      at += length
    } else if (rest.startsWith(')')) {
      depth--
      afterGroup = true
      at++
    } else if (rest.startsWith('|')) {
      if (depth > 0) combinations *= 2
      at++
    } else if (/^\\(?:[1-9]|k)/.test(rest)) return { combinations, refused: 'no back references' }
    else at += rest.startsWith('\\') ? 2 : (SET.exec(rest)?.[0].length ?? 1)
  }
  return { combinations, refused: null }
}

/** @returns what is wrong with a pattern, in words; null when it may be used */
export const faultOfPattern = (pattern: string): string | null => {
  if (pattern.length > MOST_PATTERN) return `at most ${MOST_PATTERN} characters`
  try {
    new RegExp(pattern, 'i')
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  const { combinations, refused } = count(pattern)
  if (refused !== null) return refused
  return combinations * MOST_TEXT > MOST_STEPS ? 'fewer repetitions and choices: it could take too long' : null
}

/** @throws what `faultOfPattern` says */
export const replyPattern = (pattern: string): ((text: string) => boolean) => {
  const fault = faultOfPattern(pattern)
  if (fault !== null) throw new Error(`${pattern}: ${fault}`)
  const expression = new RegExp(pattern, 'i')
  return (text) => expression.test(text.slice(0, MOST_TEXT))
}
