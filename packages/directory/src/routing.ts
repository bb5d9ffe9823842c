/** R-route: which route takes a domain, and what the destination is called. Exact domain, longest wildcard, then `*`. */
import { domainOf, hopOfDomain, partsOf } from '@sluice/contracts'
import type { Destination } from './destination.ts'

type Routed = { name: string; match: string[]; type: 'smtp' | 'lmtp' | 'mx' | 'local' }

export type Routing<Route> = {
  /** The hop of a domain; null: no route. @param domain A-labels in lower case, or an address literal */
  destinationOf: (domain: string) => Destination | null
  /** The class plays no part. */
  routeOf: (destination: Destination) => Route | null
}

/** @param own the routes that own domains name themselves; they come before any match */
export const createRouting = <Route extends Routed>(routes: Route[], own: Map<string, string>): Routing<Route> => {
  const byName = new Map(routes.map((route) => [route.name, route]))
  const byPattern = new Map(routes.flatMap((route) => route.match.map((pattern): [string, Route] => [pattern, route])))

  const routeOfDomain = (domain: string): Route | null => {
    const named = own.get(domain)
    if (named !== undefined) return byName.get(named) ?? null
    const exact = byPattern.get(domain)
    if (exact !== undefined || domain.startsWith('[')) return exact ?? byPattern.get('*') ?? null
    for (let dot = domain.indexOf('.'); dot !== -1; dot = domain.indexOf('.', dot + 1)) {
      const wildcard = byPattern.get(`*${domain.slice(dot)}`)
      if (wildcard !== undefined) return wildcard
    }
    return byPattern.get('*') ?? null
  }

  return {
    destinationOf: (domain) => {
      const route = routeOfDomain(domain)
      return route === null ? null : route.type === 'mx' ? hopOfDomain(domain) : route.name
    },
    routeOf: (destination) => {
      const { hop } = partsOf(destination)
      if (!/[.[]/.test(hop)) return byName.get(hop) ?? null
      const route = routeOfDomain(domainOf(hop))
      return route?.type === 'mx' ? route : null
    },
  }
}
