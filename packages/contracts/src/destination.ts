/**
 * The name of a destination: a next hop and a class. Mail of the default class goes by the next hop alone, `example.org`; of another
 * class by `example.org/bulk`. So each class has a queue of its own, and the classes share the limits of the site behind them.
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
