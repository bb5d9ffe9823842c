/**
 * A route as policies shape it for one destination, with the site behind it, for TLS, source address, schedule and the number of
 * messages a connection carries. What it limits across the cluster (connections, rates) is the spooler's to grant.
 */
import { domainOf } from '@sluice/contracts'
import type { Directory, Route, Shaping, Site } from '@sluice/directory'
import type { MxResolver } from '@sluice/mx'

export type ShapedRoute = Route &
  Pick<Shaping, 'messagesPerConnection' | 'source'> & {
    site: Site
    /** What figures tell it by. */
    siteClass: string
  }

/** @returns null: no route. Asked again now and then, it follows the config. */
export type ShapeRoute = (destination: string) => Promise<ShapedRoute | null>

export type ShapeRouteDependencies = {
  directory: Pick<Directory, 'routeOf' | 'shapingOf' | 'siteClassOf'>
  resolver: Pick<MxResolver, 'siteOf'>
}

/** The resolver keeps its answers for a while, so a destination whose hosts are known costs no question. */
export const createShapeRoute =
  ({ directory, resolver }: ShapeRouteDependencies): ShapeRoute =>
  async (destination) => {
    const route = directory.routeOf(destination)
    if (route === null) return null
    const behind = route.type === 'mx' ? await resolver.siteOf(domainOf(destination)) : null
    const shaping = directory.shapingOf(destination, behind)
    if (shaping === null) return null
    const { schedule, tls, messagesPerConnection, source } = shaping
    const site = behind ?? { name: route.name, hosts: route.hosts.map(({ host }) => host) }
    return { ...route, schedule, tls, messagesPerConnection, source, site, siteClass: directory.siteClassOf(site.name) }
  }
