/**
 * Classes: which kind of mail a message is for each recipient, so that small and urgent mail does not wait behind bulk. Compiled
 * once. The first class that matches wins; what none matches is of the default class, ''.
 */
import { NOTICE_CLASS } from '@sluice/contracts'
import { addressMatcher, anyOf, textMatcher } from '@sluice/smtp'
import type { WrittenConfig } from './schema.ts'

export type ClassConfig = WrittenConfig['classes'][number]

/** What is known of a message once it is in. */
export type ClassFacts = {
  listener: string
  /** '' for the null reverse-path. */
  sender: string
  /** Whom it goes to: aliases are resolved. */
  recipient: string
  sizeBytes: number
  /** The log-in; null without one. */
  user: string | null
  /** The values of a header field, unfolded. @param name in lower case */
  header: (name: string) => readonly string[]
}

/** Weight of a class that nobody gave one. */
export const USUAL_SHARE = 10
/** How policies call mail of no class. */
export const DEFAULT_CLASS = 'default'

type Condition = (facts: ClassFacts) => boolean

const conditionsOf = ({ match }: ClassConfig): Condition[] => {
  const { listener, sender, recipient, header, minSizeBytes, user } = match
  const conditions: Condition[] = []
  if (listener !== null) conditions.push((facts) => listener.includes(facts.listener))
  if (minSizeBytes !== null) conditions.push((facts) => facts.sizeBytes >= minSizeBytes)
  if (sender !== null) {
    const matches = anyOf(sender, addressMatcher)
    conditions.push((facts) => matches(facts.sender))
  }
  if (recipient !== null) {
    const matches = anyOf(recipient, addressMatcher)
    conditions.push((facts) => matches(facts.recipient))
  }
  if (user !== null) {
    const matches = anyOf(user, addressMatcher)
    conditions.push((facts) => facts.user !== null && matches(facts.user))
  }
  if (header !== null) {
    const matches = textMatcher(header.pattern ?? '*')
    conditions.push((facts) => facts.header(header.name).some(matches))
  }
  return conditions
}

export type Classes = {
  classOf: (facts: ClassFacts) => string
  /** The header fields that classes ask for, in lower case; null: there are no classes, nothing need be asked. */
  headers: ReadonlySet<string> | null
  /** @param cls '' for the default class. A class that is no longer in the config has the default one's share. */
  shareOf: (cls: string) => number
}

export const createClasses = (classes: readonly ClassConfig[], defaultShare: number): Classes => {
  const compiled = classes.map((one) => ({ name: one.name, conditions: conditionsOf(one) }))
  const shares = new Map([[NOTICE_CLASS, USUAL_SHARE], ...classes.map(({ name, share }): [string, number] => [name, share])])
  return {
    classOf: (facts) => compiled.find(({ conditions }) => conditions.every((holds) => holds(facts)))?.name ?? '',
    headers:
      classes.length === 0 ? null : new Set(classes.flatMap(({ match }) => (match.header === null ? [] : [match.header.name]))),
    shareOf: (cls) => shares.get(cls) ?? defaultShare,
  }
}
