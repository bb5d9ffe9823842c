/** What holds a site back now, in the words of the site's hash: see scripts/limits.lua, which applies it. */
export type Pause = { until: number; reason: string }

/** Gentler than policy has it, by a reply rule or because the site has just come back. */
export type SiteCurb = {
  /** ms since the epoch: when its limits are the policy's again */
  until: number
  /** Connections to the site at once, now; null: as policy has it. */
  connections: number | null
  /** µs between two messages to the site, now; null: as policy has it. */
  intervalUs: number | null
  /** `rule NAME: REPLY`, or that it came back. */
  reason: string
}

export type SiteState = {
  /** Left alone for failures in a row. */
  backoff: Pause | null
  /** Left alone by the postmaster, or by a reply rule. */
  paused: Pause | null
  curb: SiteCurb | null
}

export const SITE_FIELDS = [
  'until',
  'reason',
  'pausedUntil',
  'pauseReason',
  'curbUntil',
  'curbStepMs',
  'curbConnections',
  'curbIntervalUs',
  'curbReason',
] as const

type Fields = readonly (string | null)[]

const pauseOf = (until: string | null | undefined, reason: string | null | undefined, now: number): Pause | null =>
  Number(until ?? 0) > now ? { until: Number(until), reason: reason ?? '' } : null

/** Doublings until a curb is over. */
const doublings = (factor: number): number => (factor <= 1 ? 0 : Math.ceil(Math.log2(factor)))

/** Less than this many µs between two messages are no limit: as in limits.lua. */
const LEAST_INTERVAL_US = 1000

const curbOf = (fields: Fields, siteSessions: number, siteIntervalUs: number, now: number): SiteCurb | null => {
  const [until, stepMs, connections, intervalUs] = fields.slice(4, 8).map((field) => Number(field ?? 0)) as [
    number,
    number,
    number,
    number,
  ]
  if (fields[4] == null || stepMs <= 0) return null
  const ease = until > now ? 1 : 2 ** Math.min(40, Math.floor((now - until) / stepMs) + 1)
  const steps = Math.max(
    connections > 0 ? doublings(siteSessions / connections) : 0,
    intervalUs > 0 ? doublings(intervalUs / Math.max(siteIntervalUs, LEAST_INTERVAL_US)) : 0,
  )
  const over = steps === 0 ? 0 : until + (steps - 1) * stepMs
  if (over <= now) return null
  const nowConnections = Math.floor(connections * ease)
  const nowIntervalUs = intervalUs / ease
  return {
    until: over,
    connections: connections > 0 && nowConnections < siteSessions ? nowConnections : null,
    intervalUs: nowIntervalUs > siteIntervalUs && nowIntervalUs >= LEAST_INTERVAL_US ? Math.round(nowIntervalUs) : null,
    reason: fields[8] ?? '',
  }
}

/**
 * @param fields the values of SITE_FIELDS
 * @param grant `siteLimit` and `siteIntervalUs` of one of its destinations
 */
export const siteStateOf = (fields: Fields, grant: Fields, now: number): SiteState => ({
  backoff: pauseOf(fields[0], fields[1], now),
  paused: pauseOf(fields[2], fields[3], now),
  curb: curbOf(fields, Number(grant[0] ?? 0), Number(grant[1] ?? 0), now),
})
