/**
 * The name of a destination: a next hop and a class. Mail of the default class goes by the next hop alone, `example.org`; of another
 * class by `example.org/bulk`. So each class has a queue of its own, and the classes share the limits of the site behind them.
 *
 * The hop is a route's name (without dots) or, for MX routes, the recipient domain, written so that it can neither be taken for a
 * route's name nor break the name of a queue: a bare top-level domain gets a dot (`ai.`), and an IPv6 literal, whose colons BullMQ
 * refuses, is written with underscores (`[IPv6_2001_db8__1]`). No domain holds an underscore, so the way back is sure.
 */

/** The class that failure, delay and success notices travel in: what waits for a site does not hold them back. */
export const NOTICE_CLASS = 'notices'

/** @param cls '' for the default class */
export const destinationName = (hop: string, cls: string): string => (cls === '' ? hop : `${hop}/${cls}`)

/** @returns `class` is '' for the default class */
export const partsOf = (destination: string): { hop: string; class: string } => {
  const at = destination.lastIndexOf('/')
  return at < 0 ? { hop: destination, class: '' } : { hop: destination.slice(0, at), class: destination.slice(at + 1) }
}

const isLiteral = (text: string): boolean => text.startsWith('[')

/** The hop of a domain of an MX route. @param domain A-labels in lower case, or an address literal */
export const hopOfDomain = (domain: string): string =>
  isLiteral(domain) ? domain.replaceAll(':', '_') : domain.includes('.') ? domain : `${domain}.`

/** The domain of a destination of an MX route as DNS and people know it, class left out; of another destination its route's name. */
export const domainOf = (destination: string): string => {
  const { hop } = partsOf(destination)
  return isLiteral(hop) ? hop.replaceAll('_', ':') : hop.endsWith('.') ? hop.slice(0, -1) : hop
}
