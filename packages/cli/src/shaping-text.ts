/** What binds mail, in words: rates, shapings and reply rules as people read them. */
import type { Config, Shaping } from '@sluice/directory'
import { formatSpan } from './table.ts'

type Rate = { count: number; perMs: number }

const PERIODS: readonly [number, string][] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
]

/** `100/min`, as the config has it; `no limit` for null. */
export const formatRate = (rate: Rate | null): string =>
  rate === null ? 'no limit' : `${rate.count}/${PERIODS.find(([ms]) => ms === rate.perMs)?.[1] ?? formatSpan(rate.perMs)}`

const scheduleText = ({ name, delaysMs }: Shaping['schedule']): string => {
  const span = delaysMs.reduce((sum, delay) => sum + delay, 0)
  return `${name}: ${delaysMs.length} ${delaysMs.length === 1 ? 'retry' : 'retries'} within ${formatSpan(span)}`
}

/** Rows of a shaping, name and value. */
export const shapingRows = (shaping: Shaping): [string, string][] => [
  ['connections', `${shaping.connections}, of ${shaping.siteConnections} to the whole site`],
  ['rate', `${formatRate(shaping.rate)}; whole site: ${formatRate(shaping.siteRate)}`],
  ['messages per connection', shaping.messagesPerConnection === null ? 'no limit' : String(shaping.messagesPerConnection)],
  ['schedule', scheduleText(shaping.schedule)],
  ['tls', shaping.tls],
  ['source', shaping.source ?? 'as the system chooses'],
  ['share', String(shaping.share)],
]

type Rule = Config['replyRules'][number]

const actionsOf = ({ pauseMs, connections, intervalUs, forMs, retryMs, permanent }: Rule): string =>
  [
    pauseMs === null ? null : `pause ${formatSpan(pauseMs)}`,
    connections === null ? null : `connections ${connections}`,
    intervalUs === null ? null : `a message every ${formatSpan(intervalUs / 1000)}`,
    forMs === null ? null : `for ${formatSpan(forMs)}`,
    retryMs === null ? null : `retry ${formatSpan(retryMs)}`,
    permanent === null ? null : permanent ? 'permanent' : 'not permanent',
  ]
    .filter((each) => each !== null)
    .join(', ')

const matchOf = ({ match }: Rule): string =>
  Object.entries(match)
    .flatMap(([key, value]) => (value === null ? [] : [`${key} ${Array.isArray(value) ? value.join(' ') : value}`]))
    .join(', ')

export const ruleRow = (rule: Rule): [string, string, string] => [rule.name, matchOf(rule), actionsOf(rule)]
