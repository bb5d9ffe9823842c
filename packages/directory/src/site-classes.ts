/**
 * The class of a site, by which figures are told apart: few, known from the config, so that labels stay bounded however many sites
 * mail goes to. A route with hosts of its own is a class by its name; sites behind MX routes are classed by the patterns of
 * `metrics.sites`, the first that fits; all the rest are `other`.
 */
import { anyOf, type Matcher, nameMatcher } from '@sluice/smtp'
import type { Route } from './config.ts'

export const OTHER_SITES = 'other'

type Sites = Record<string, readonly string[]>

/** @returns (a site's name, as grants have it: of several hosts `a.example,b.example`) → its class */
export const createSiteClasses = (routes: readonly Pick<Route, 'name' | 'type'>[], sites: Sites): ((site: string) => string) => {
  const own = new Set(routes.flatMap(({ name, type }) => (type === 'mx' ? [] : [name])))
  const named = Object.entries(sites).map(([name, patterns]): [string, Matcher] => [name, anyOf(patterns, nameMatcher)])
  return (site) => {
    if (own.has(site)) return site
    const hosts = site.split(',')
    return named.find(([, matches]) => hosts.some(matches))?.[0] ?? OTHER_SITES
  }
}
