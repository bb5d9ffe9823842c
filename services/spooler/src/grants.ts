/**
 * What a destination is permitted: its site (the hosts behind it, so that domains at one provider share that provider's limits),
 * sessions, rates, the weight of its class, and the age at which untried mail expires. Granted for a minute and renewed while mail
 * flows, so that changed policy applies soon, and nothing moves for long when every spooler is gone.
 *
 * A site's sessions and rate are counted lane by lane: domains that share an MX may lie in any lane, so each lane gets its part of
 * both. All classes of a hop lie in one lane.
 */
import { domainOf, NOTICE_CLASS, partsOf } from '@sluice/contracts'
import { type Config, type Directory, type Route, type Shaping, type Site, scheduleSpanMs } from '@sluice/directory'
import type { MxResolver } from '@sluice/mx'
import type { Rate } from '@sluice/runtime'
import type { Grant } from '@sluice/spool'

const GRANT_MS = 60_000
const OWN_PAUSE_MS = 2_000
/** Waiting tasks that an open session is expected to take soon. */
const TASKS_PER_SESSION = 3

/** µs from one message to the next. */
export const intervalUs = (rate: Rate | null): number => (rate === null ? 0 : Math.round((rate.perMs * 1000) / rate.count))

export type GrantDependencies = {
  config: Pick<Config, 'schedule' | 'redis'>
  directory: Pick<Directory, 'routeOf' | 'shapingOf'>
  resolver: Pick<MxResolver, 'siteOf'>
  now: () => number
}

type Limits = Pick<Grant, 'site' | 'sessions' | 'siteSessions' | 'intervalUs' | 'siteIntervalUs' | 'share' | 'maxAgeMs'>

/** A site of its own: the route's hosts. What the route says of its rate holds for all classes together: they meet the same hosts. */
const ofRoute = (route: Route, shaping: Shaping): Limits => {
  const isRoutes = shaping.rate === route.rate
  return {
    site: route.name,
    sessions: shaping.connections,
    siteSessions: shaping.siteConnections,
    intervalUs: isRoutes ? 0 : intervalUs(shaping.rate),
    siteIntervalUs: Math.max(intervalUs(shaping.siteRate), isRoutes ? intervalUs(route.rate) : 0),
    share: shaping.share,
    maxAgeMs: scheduleSpanMs(shaping.schedule),
  }
}

const ofMx = (site: Site, shaping: Shaping, lanes: number): Limits => ({
  site: site.name,
  sessions: shaping.connections,
  siteSessions: Math.max(1, Math.floor(shaping.siteConnections / lanes)),
  intervalUs: intervalUs(shaping.rate),
  siteIntervalUs: intervalUs(shaping.siteRate) * lanes,
  share: shaping.share,
  maxAgeMs: scheduleSpanMs(shaping.schedule),
})

export const createGrants = ({ config, directory, resolver, now }: GrantDependencies) => {
  /** Nothing is known of it any more: one session at a time tells its mail so. */
  const ofNobody = (destination: string): Limits => ({
    site: destination,
    sessions: 1,
    siteSessions: 1,
    intervalUs: 0,
    siteIntervalUs: 0,
    share: 1,
    maxAgeMs: scheduleSpanMs(config.schedule),
  })

  const limitsOf = async (destination: string, route: Route | null): Promise<Limits> => {
    const site = route?.type === 'mx' ? await resolver.siteOf(domainOf(destination)) : null
    const shaping = directory.shapingOf(destination, site)
    if (route === null || shaping === null) return ofNobody(destination)
    return site === null ? ofRoute(route, shaping) : ofMx(site, shaping, config.redis.lanes)
  }

  return async (destination: string): Promise<Grant> => {
    const route = directory.routeOf(destination)
    const { class: cls } = partsOf(destination)
    return {
      ...(await limitsOf(destination, route)),
      perSession: TASKS_PER_SESSION,
      class: cls,
      // The cap is for mail to others: our own mailbox and notices wait for nobody.
      exempt: route?.type === 'local' || cls === NOTICE_CLASS,
      // A mailbox service that was away comes back within seconds, and nobody is bothered by being asked.
      ...(route?.type === 'local' ? { longestPauseMs: OWN_PAUSE_MS } : {}),
      until: now() + GRANT_MS,
    }
  }
}
