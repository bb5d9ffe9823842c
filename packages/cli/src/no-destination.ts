/** Names that the postmaster types: a slip of the pen is told, and never becomes a destination of its own. */
import type { OpenSpool } from './with-spool.ts'

/** A literal may be typed as mail has it, `[IPv6:2001:db8::1]`; queues have no colons in their names. */
export const asDestination = (typed: string): string => (typed.startsWith('[') ? typed.replaceAll(':', '_') : typed)

/** What is wrong with a destination's name, in words; null when mail can wait there. */
export const noDestination = async ({ directory, verbs }: OpenSpool, name: string): Promise<string | null> => {
  if (directory.routeOf(name) !== null) return null
  if ((await verbs.queue()).some(({ destination }) => destination === name)) return null
  const leads = name.includes('.') ? directory.destinationOf({ address: `postmaster@${name}` }) : null
  return `there is no destination ${name}${leads === null ? '' : `; mail for it goes to ${leads}`}`
}
