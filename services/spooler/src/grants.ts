/**
 * What a destination is permitted: its site (the hosts behind it, so that domains at one provider share that provider's limits),
 * sessions, rate and the age at which untried mail expires. Granted for a minute and renewed while mail flows, so that changed
 * policy applies soon, and nothing moves for long when every spooler is gone. A site's sessions are counted lane by lane: domains
 * that share an MX may lie in any lane, so each lane gets its part of the site's connections.
 */
import { domainOf, NOTICE_CLASS, partsOf } from '@sluice/contracts'
import { type Config, type Directory, type Route, scheduleSpanMs } from '@sluice/directory'
import type { MxResolver } from '@sluice/mx'
import type { Rate } from '@sluice/runtime'
import type { Grant } from '@sluice/spool'

const GRANT_MS = 60_000
/** Waiting tasks that an open session is expected to take soon. */
const TASKS_PER_SESSION = 3
const USUAL_SHARE = 10

/** µs from one message to the next. */
export const intervalUs = (rate: Rate | null): number => (rate === null ? 0 : Math.round((rate.perMs * 1000) / rate.count))

const siteOf = (route: Route, destination: string, resolver: Pick<MxResolver, 'siteOf'>): Promise<string> | string =>
  route.type === 'mx' ? resolver.siteOf(domainOf(destination)) : route.name

export type GrantDependencies = {
  config: Pick<Config, 'schedule' | 'redis'>
  directory: Pick<Directory, 'routeOf'>
  resolver: Pick<MxResolver, 'siteOf'>
  now: () => number
}

export const createGrants = ({ config, directory, resolver, now }: GrantDependencies) => {
  return async (destination: string): Promise<Grant> => {
    const route = directory.routeOf(destination)
    const schedule = route?.schedule ?? config.schedule
    const { class: cls } = partsOf(destination)
    const connections = route?.connections ?? 1
    return {
      site: route === null ? destination : await siteOf(route, destination, resolver),
      sessions: connections,
      siteSessions: route?.type === 'mx' ? Math.max(1, Math.floor(connections / config.redis.lanes)) : connections,
      intervalUs: intervalUs(route?.rate ?? null),
      maxAgeMs: scheduleSpanMs(schedule),
      perSession: TASKS_PER_SESSION,
      siteIntervalUs: 0,
      class: cls,
      share: USUAL_SHARE,
      // The cap is for mail to others: our own mailbox and notices wait for nobody.
      exempt: route?.type === 'local' || cls === NOTICE_CLASS,
      until: now() + GRANT_MS,
    }
  }
}
