/** Which mail a verb is about: the options that say so, and the words in which the audit keeps them. */
import { isMessageId } from '@sluice/contracts'
import { parseDurationMs } from '@sluice/runtime'
import { addressMatcher, anyOf, type Matcher, textMatcher } from '@sluice/smtp'
import { type Query, TASK_STATES, type TaskState } from '@sluice/spool'
import { UsageError } from '../command.ts'
import { asDestination } from '../no-destination.ts'

export const QUERY_OPTIONS = {
  destination: { type: 'string', multiple: true },
  site: { type: 'string', multiple: true },
  class: { type: 'string', multiple: true },
  sender: { type: 'string', multiple: true },
  recipient: { type: 'string', multiple: true },
  id: { type: 'string', multiple: true },
  state: { type: 'string', multiple: true },
  older: { type: 'string' },
  younger: { type: 'string' },
} as const

export const QUERY_HELP = `A query says which mail: all that is given must fit; of one option given several times, one. * stands for any characters.
  --destination NAME  a name from \`sluice queue\`, class included: example.org, example.org/bulk
  --site NAME         the hosts behind destinations, as \`sluice why DESTINATION\` names them
  --class NAME        mail of this class; default is mail of none
  --sender ADDRESS    the reverse-path: anna@example.org, *@example.org, example.org (any of that domain), <> (notices)
  --recipient ADDRESS one of the recipients, likewise
  --id ID             as in "queued as ID"
  --state STATE       due, in-hand, later, parked or held
  --older SPAN        received longer ago than 2h, 3d; --younger SPAN: less long ago`

export type QueryValues = { [name in keyof typeof QUERY_OPTIONS]?: string | string[] | undefined }

/** One query for destinations and options; one for the messages that were named. */
export type Asked = {
  queries: Query[]
  /** Destinations are all that was named: `hold` and `release` mean the destinations themselves, with mail that is still to come. */
  isAboutDestinations: boolean
  /** Named without options; checked, so that a slip of the pen is told. */
  names: { ids: string[]; destinations: string[] }
  /** As typed. */
  words: string
}

const DEFAULT_CLASS = 'default'

const patterns = (values: string | string[] | undefined, compile: (pattern: string) => Matcher): Matcher | undefined =>
  values === undefined ? undefined : anyOf([values].flat(), compile)

const spanMs = (name: string, text: string): number => {
  const ms = parseDurationMs(text)
  if (ms === null) throw new UsageError(`expected a span such as 90m, 2h or 3d behind --${name}, not ${text}`)
  return ms
}

const statesOf = (given: string[], allowed: readonly TaskState[]): TaskState[] => {
  const unknown = given.find((each) => !TASK_STATES.some((state) => state === each))
  if (unknown !== undefined) throw new UsageError(`expected one of ${TASK_STATES.join(', ')} behind --state, not ${unknown}`)
  const states = allowed.filter((state) => given.includes(state))
  if (states.length === 0)
    throw new UsageError(`expected one of ${allowed.join(', ')} behind --state: others are left as they are`)
  return states
}

const wordsOf = (values: QueryValues, positionals: readonly string[]): string => {
  const options = Object.keys(QUERY_OPTIONS).flatMap((name) =>
    [values[name as keyof QueryValues] ?? []].flat().map((value) => `--${name} ${value}`),
  )
  return [...positionals, ...options].join(' ')
}

/** Fields of undefined are left out: the query's own are optional, not undefined. */
const compact = (query: { [name in keyof Query]: Query[name] | undefined }): Query =>
  Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined)) as Query

/**
 * @param positionals IDs and destinations
 * @param allowed the states that a verb makes sense for
 * @param now ms since the epoch
 */
export const parseQuery = (
  values: QueryValues,
  positionals: readonly string[],
  allowed: readonly TaskState[],
  now: number,
): Asked => {
  const ids = positionals.filter(isMessageId)
  const destinations = positionals.filter((each) => !isMessageId(each)).map(asDestination)
  const list = (name: keyof QueryValues): string[] => [values[name] ?? []].flat()
  const named = [...destinations, ...list('destination').map(asDestination)]
  const classOf = patterns(values.class, textMatcher)
  const common: Query = compact({
    site: patterns(values.site, textMatcher),
    class: classOf === undefined ? undefined : (name: string) => classOf(name === '' ? DEFAULT_CLASS : name),
    sender: patterns(values.sender, addressMatcher),
    recipient: patterns(values.recipient, addressMatcher),
    id: patterns(values.id, textMatcher),
    receivedBefore: values.older === undefined ? undefined : now - spanMs('older', String(values.older)),
    receivedAfter: values.younger === undefined ? undefined : now - spanMs('younger', String(values.younger)),
    states: values.state === undefined ? allowed : statesOf(list('state'), allowed),
  })
  const others = Object.keys(QUERY_OPTIONS).filter((name) => name !== 'destination')
  const hasOthers = others.some((name) => values[name as keyof QueryValues] !== undefined)
  const byDestination = named.length > 0 || (hasOthers && ids.length === 0)
  const forDestinations = named.length > 0 ? { ...common, destination: anyOf(named, textMatcher) } : common
  return {
    queries: [...(byDestination ? [forDestinations] : []), ...(ids.length > 0 ? [{ ...common, ids }] : [])],
    isAboutDestinations: named.length > 0 && ids.length === 0 && !hasOthers,
    names: { ids, destinations: destinations.filter((each) => !each.includes('*')) },
    words: wordsOf(values, positionals),
  }
}
