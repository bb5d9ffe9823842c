/** What no single key of classes, policies and reply rules can say: names that must exist, and rules that would do nothing. */
import { NOTICE_CLASS } from '@sluice/contracts'
import { DEFAULT_CLASS } from './classes.ts'
import type { WrittenConfig } from './schema.ts'

export type Finding = { path: PropertyKey[]; message: string }

export const repeated = (values: string[], path: (i: number) => PropertyKey[], what: string): Finding[] =>
  values.flatMap((value, i) =>
    values.indexOf(value) < i ? [{ path: path(i), message: `expected each ${what} once; ${value} stands here again` }] : [],
  )

const known = (names: readonly string[]): string => (names.length === 0 ? 'none is defined' : `defined are ${names.join(', ')}`)

const classFindings = ({ classes, listeners }: WrittenConfig): Finding[] =>
  classes.flatMap(({ name, match }, i): Finding[] => {
    const names = listeners.map((listener) => listener.name)
    const unknown = (match.listener ?? []).filter((one) => !names.includes(one))
    return [
      ...(name === NOTICE_CLASS || name === DEFAULT_CLASS
        ? [{ path: ['classes', i, 'name'], message: `expected another name: ${name} is built in` }]
        : []),
      ...(unknown.length > 0
        ? [
            {
              path: ['classes', i, 'match', 'listener'],
              message: `expected the name of a listener, not ${unknown.join(', ')}; ${known(names)}`,
            },
          ]
        : []),
      ...(Object.values(match).every((value) => value === null)
        ? [{ path: ['classes', i, 'match'], message: 'expected at least one condition: it would take all mail' }]
        : []),
    ]
  })

/** Patterns with `*` may match nothing today; a plain name that does not exist is a slip. */
const missing = (patterns: readonly string[] | null, names: readonly string[]): string[] =>
  (patterns ?? []).filter((pattern) => !pattern.includes('*') && !names.includes(pattern))

const policyFindings = ({ policies, classes, routes, domains, schedules }: WrittenConfig): Finding[] => {
  const classNames = [DEFAULT_CLASS, NOTICE_CLASS, ...classes.map(({ name }) => name)]
  const localRoute = domains.some(({ route }) => route === 'local') ? ['local'] : []
  const routeNames = [...new Set([...routes.map(({ name }) => name), ...localRoute])]
  const scheduleNames = ['classic', 'internet', ...Object.keys(schedules)]
  return policies.flatMap(({ match, schedule, ...said }, i): Finding[] => {
    const at = (key: string, what: string, bad: string[], names: string[]): Finding[] =>
      bad.length === 0
        ? []
        : [
            {
              path: ['policies', i, 'match', key],
              message: `expected the name of a ${what}, not ${bad.join(', ')}; ${known(names)}`,
            },
          ]
    return [
      ...at('class', 'class', missing(match.class, classNames), classNames),
      ...at('route', 'route', missing(match.route, routeNames), routeNames),
      ...(schedule !== null && !scheduleNames.includes(schedule)
        ? [{ path: ['policies', i, 'schedule'], message: `expected one of ${scheduleNames.join(', ')}, not ${schedule}` }]
        : []),
      ...(schedule === null && Object.values(said).every((value) => value === null)
        ? [
            {
              path: ['policies', i],
              message: 'expected something that it says: connections, rate, messagesPerConnection, schedule, tls or source',
            },
          ]
        : []),
    ]
  })
}

const replyRuleFindings = ({ replyRules }: WrittenConfig, shipped: readonly string[]): Finding[] =>
  replyRules.flatMap((rule, i): Finding[] => {
    const { name, off, match, pauseMs, connections, intervalUs, retryMs, permanent } = rule
    if (off)
      return shipped.includes(name)
        ? []
        : [
            {
              path: ['replyRules', i, 'name'],
              message: `expected the name of a shipped rule, not ${name}; they are ${shipped.join(', ')}`,
            },
          ]
    return [
      ...([pauseMs, connections, intervalUs, retryMs, permanent].every((value) => value === null)
        ? [{ path: ['replyRules', i], message: 'expected something to do: pause, connections, rate, retry or permanent' }]
        : []),
      ...(Object.values(match).every((value) => value === null)
        ? [{ path: ['replyRules', i, 'match'], message: 'expected at least one condition: it would match every refusal' }]
        : []),
    ]
  })

/** @param shipped names of the shipped reply rules */
export const shapingFindings = (config: WrittenConfig, shipped: readonly string[]): Finding[] => [
  ...repeated(
    config.classes.map(({ name }) => name),
    (i) => ['classes', i, 'name'],
    'class',
  ),
  ...repeated(
    config.replyRules.map(({ name }) => name),
    (i) => ['replyRules', i, 'name'],
    'rule',
  ),
  ...classFindings(config),
  ...policyFindings(config),
  ...replyRuleFindings(config, shipped),
]
