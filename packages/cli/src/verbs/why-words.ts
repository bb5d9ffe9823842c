/**
 * Why mail waits, in words: everything that stands in its way at this moment, in the order in which the spool asks, with the moment
 * when each ends where that is known. Pure.
 */
import type { Mark, Task } from '@sluice/contracts'
import { readMark, type Standing } from '@sluice/spool'
import { formatDistance, formatSpan, formatTime } from '../table.ts'

const at = (moment: number, now: number): string => `${formatTime(moment)} (${formatDistance(moment, now)})`
/** The end of the calendar: until somebody says otherwise. */
const FOR_EVER = Date.UTC(9998, 0)
const until = (moment: number, now: number): string => (moment > FOR_EVER ? 'until `sluice resume`' : `until ${at(moment, now)}`)
const said = ({ who, why, at: moment }: Mark): string =>
  `${who === '' ? '' : ` by ${who}`} since ${formatTime(moment)}${why === '' ? '' : `: ${why}`}`
const times = (count: number, noun: string): string => `${count} ${count === 1 ? noun : `${noun}s`}`

const siteLines = ({ grant, backoff, paused, curb }: Standing, now: number): string[] => {
  const site = grant?.site ?? ''
  return [
    ...(paused === undefined
      ? []
      : [
          paused.suspended
            ? `its site ${site} is ${paused.reason}; ${until(paused.till, now)}`
            : `its site ${site} is paused ${until(paused.till, now)} by ${paused.reason}`,
        ]),
    ...(backoff === undefined
      ? []
      : [
          `its site ${site} did not answer and is left alone ${until(backoff.till, now)}; then one session probes it: ${backoff.reason}`,
        ]),
    ...(curb === undefined
      ? []
      : [
          `its site ${site} is treated gently ${until(curb.till, now)}, and then less so step by step (${curb.reason})${
            curb.connections === undefined ? '' : `: ${times(curb.connections, 'connection')} at once`
          }${curb.intervalMs === undefined ? '' : `; one message every ${formatSpan(curb.intervalMs)}`}`,
        ]),
  ]
}

const limitLines = ({ grant, site, sessions, rateAt, gatewayAt }: Standing, now: number): string[] => {
  if (grant === undefined || site === undefined) return []
  const full = site.permits >= site.limit || (site.probing && site.permits > 0)
  const place = site.place === undefined ? '' : `; it is number ${site.place} of ${site.wanting} destinations that wait for one`
  return [
    ...(sessions >= grant.limit ? [`all connections of the destination are in use: ${sessions} of ${grant.limit}`] : []),
    ...(full && sessions === 0
      ? [
          site.probing
            ? `its site ${grant.site} is on probation after ${times(site.failures, 'failure')}: one connection at a time, and it is in use`
            : `all connections to its site ${grant.site} are in use: ${site.permits} of ${site.limit}${place}`,
        ]
      : []),
    ...(rateAt === undefined ? [] : [`the rate of its destination or site: the next free moment is ${at(rateAt, now)}`]),
    ...(gatewayAt === undefined
      ? []
      : [`the cap on the whole gateway (spooler.rate): the next free moment is ${at(gatewayAt, now)}`]),
  ]
}

const agentLines = ({ queued, queuedSince, sessions, active }: Standing, now: number): string[] =>
  queued > 0 && sessions > 0 && active === 0
    ? [
        `its session waits for a delivery-agent: ${times(queued, 'session')} in line, the first for ${formatSpan(now - (queuedSince ?? now))}; agents are busy, or none runs`,
      ]
    : []

/** What keeps a destination's due mail; empty when nothing does. */
export const obstaclesOf = (standing: Standing, now: number): string[] => {
  const { grant, held, hold } = standing
  const by = readMark(hold ?? null)
  if (held) return [`the destination is held${by === null ? '' : said(by)}`]
  if (grant === undefined || grant.validUntil <= now)
    return ['no spooler permits it at this moment: none runs, or none has come to it yet']
  const site = siteLines(standing, now)
  if (standing.paused !== undefined || standing.backoff !== undefined) return site
  return [...site, ...limitLines(standing, now), ...agentLines(standing, now)]
}

const DONE: Record<string, string> = { hold: 'held', bounce: 'bounced', delete: 'deleted', reroute: 'rerouted' }

const lastWords = (task: Task | null): string => {
  const last = task?.attempts.at(-1)
  return last === undefined ? '' : `, because of the last one (${last.host ?? 'no host'}, ${last.stage}): ${last.reply}`
}

const dueLines = (standing: Standing, obstacles: string[]): string[] => {
  const place = standing.task?.place
  const line = place === undefined ? `in line among ${standing.waiting}` : `in line, number ${place} of ${standing.waiting}`
  if (obstacles.length > 0) return [`due, ${line}; it waits because:`, ...obstacles.map((each) => `  ${each}`)]
  if (standing.sessions > 0) return [`due, ${line}; ${times(standing.sessions, 'session')} at work`]
  return [`due, ${line}; a session opens within moments`]
}

/** @param attempts of the schedule in all, the first one included */
export const taskLines = (standing: Standing, task: Task | null, attempts: number, now: number): string[] => {
  const own = standing.task
  if (own === undefined) return ['it has left the queue this moment']
  const mark = readMark(own.verb ?? null)
  const marked = mark === null ? [] : [`marked to be ${DONE[mark.verb] ?? mark.verb}${said(mark)}; a delivery-agent sees to it`]
  const obstacles = obstaclesOf(standing, now)
  switch (own.state) {
    case 'parked': {
      const by = readMark(own.hold ?? null)
      return [by === null ? `parked: ${own.problem ?? 'the reason is not known'}` : `held${said(by)}; until \`sluice release\``]
    }
    case 'in-hand':
      return [...marked, `in transmission by session ${own.session} since ${at(own.since ?? now, now)}`]
    case 'later': {
      const n = (task?.attempts.at(-1)?.n ?? 0) + 1
      const then = obstacles.length === 0 ? [] : ['and then, as things stand:', ...obstacles.map((each) => `  ${each}`)]
      const planned = `attempt ${n} of ${attempts} is planned for ${at(own.at ?? now, now)}${lastWords(task)}`
      return [...marked, planned, ...(standing.held || standing.paused?.suspended === true ? then : [])]
    }
    case 'due':
      return mark === null ? dueLines(standing, obstacles) : marked
  }
}

/** Of a whole destination. */
export const destinationLines = (standing: Standing, now: number): string[] => {
  const { grant, site, waiting, active, delayed, parked, sessions, next } = standing
  const obstacles = obstaclesOf(standing, now)
  const counts = `${waiting} due, ${active} in hand, ${delayed} later, ${parked} parked; ${times(sessions, 'session')}`
  const where =
    grant === undefined
      ? []
      : [`site ${grant.site}: ${site?.permits ?? 0} of ${site?.limit ?? grant.siteLimit} connections in use`]
  const planned = next === undefined ? [] : [`the next attempt of what waits for one: ${at(next, now)}`]
  const free = waiting > 0 ? (sessions > 0 ? 'it is being delivered' : 'a session opens within moments') : 'nothing is due'
  return [counts, ...where, ...(obstacles.length > 0 ? obstacles : [free]), ...planned]
}
