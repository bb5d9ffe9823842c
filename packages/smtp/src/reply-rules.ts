/**
 * Reply rules: what a far end's refusal tells about the site, and what to do about it. Evaluated only when a reply refuses
 * (400 and above), so the common case costs one comparison; each rule costs a few more, and its pattern a bounded time. The first
 * rule that matches wins. Pure.
 */
import type { Curb, Reply, Stage } from '@sluice/contracts'
import { anyOf, nameMatcher, textMatcher } from './patterns.ts'
import { replyText } from './reply.ts'
import { MOST_TEXT, replyPattern } from './reply-pattern.ts'

/** A rule as it is written; null: not asked, not done. */
export type ReplyRuleText = {
  name: string
  match: {
    /** Patterns of names: the site's name or one of its hosts. */
    site: readonly string[] | null
    /** `421`, `45x`, `4xx` */
    codes: readonly string[] | null
    /** `4.7.28`, `4.7.*` */
    enhanced: readonly string[] | null
    /** See reply-pattern.ts. */
    text: string | null
    stages: readonly Stage[] | null
  }
} & ReplyActions

export type ReplyActions = {
  /** The site is left alone for so long. */
  pauseMs: number | null
  /** Connections to the site at once, for `forMs`; then they recover step by step. */
  connections: number | null
  /** µs from one message to the site to the next, for `forMs`. */
  intervalUs: number | null
  /** Always there with `connections` or `intervalUs`. */
  forMs: number | null
  /** The message is tried again after so long, where its schedule would have it wait longer. */
  retryMs: number | null
  /** true: it bounces, though the code says temporary; false: it is tried again, though the code says permanent. */
  permanent: boolean | null
}

export type ReplyRule = { name: string; actions: ReplyActions }

/** What was said, where, and by whom. */
export type Refusal = { siteName: string; hosts: readonly string[]; stage: Stage; reply: Reply }

/** What rules look at, made once for all of them. */
type Seen = { names: readonly string[]; code: string; enhanced: string; stage: Stage; text: string }
type Compiled = { rule: ReplyRule; matches: (seen: Seen) => boolean }
export type ReplyRules = readonly Compiled[]

/** RFC 5321 §4.2.1: below this a reply refuses nothing. */
const FIRST_REFUSAL = 400

const codeMatcher = (code: string) => {
  const digits = code.toLowerCase().replace(/x+$/, '')
  return (text: string): boolean => text.startsWith(digits)
}

const compile = ({ name, match, ...actions }: ReplyRuleText): Compiled => {
  const conditions: ((seen: Seen) => boolean)[] = []
  const { stages, codes, enhanced, site, text } = match
  if (codes !== null) {
    const matches = anyOf(codes, codeMatcher)
    conditions.push((seen) => matches(seen.code))
  }
  if (stages !== null) conditions.push((seen) => stages.includes(seen.stage))
  if (enhanced !== null) {
    const matches = anyOf(enhanced, textMatcher)
    conditions.push((seen) => matches(seen.enhanced))
  }
  if (site !== null) {
    const matches = anyOf(site, nameMatcher)
    conditions.push((seen) => seen.names.some(matches))
  }
  if (text !== null) {
    const matches = replyPattern(text)
    conditions.push((seen) => matches(seen.text))
  }
  return { rule: { name, actions }, matches: (seen) => conditions.every((holds) => holds(seen)) }
}

/** @throws when a rule's pattern is refused; `faultOfPattern` says so before */
export const compileReplyRules = (rules: readonly ReplyRuleText[]): ReplyRules => rules.map(compile)

/** The lines of a reply as one text, without codes, white space as single blanks. */
const textOf = ({ text }: Reply): string =>
  text
    .join(' ')
    .slice(0, MOST_TEXT * 4)
    .replace(/\s+/g, ' ')
    .slice(0, MOST_TEXT)

/** @returns the first rule that matches; null: none, or the reply refuses nothing */
export const matchReplyRule = (rules: ReplyRules, { siteName, hosts, stage, reply }: Refusal): ReplyRule | null => {
  if (reply.code < FIRST_REFUSAL) return null
  const seen: Seen = {
    names: [siteName, ...hosts],
    code: String(reply.code),
    enhanced: reply.enhanced ?? '',
    stage,
    text: textOf(reply),
  }
  return rules.find(({ matches }) => matches(seen))?.rule ?? null
}

/** What a rule says of the whole site, for the session's report; null: nothing. */
export const curbOf = ({ name, actions }: ReplyRule, reply: Reply): Curb | null => {
  const { pauseMs, connections, intervalUs, forMs } = actions
  if (pauseMs === null && connections === null && intervalUs === null) return null
  return {
    rule: name,
    reason: replyText(reply),
    ...(pauseMs === null ? {} : { pauseMs }),
    ...(connections === null ? {} : { connections }),
    ...(intervalUs === null ? {} : { intervalUs }),
    ...(forMs === null ? {} : { forMs }),
  }
}
