/** `sluice reroute`: other hosts shall take this mail. */
import { destinationName, partsOf } from '@sluice/contracts'
import { type Command, UsageError } from '../command.ts'
import { noDestination } from '../no-destination.ts'
import { taskVerb } from '../verbs/task-verb.ts'

/** The class stays, unless the new destination names one. */
const newDestination = (to: string, from: string): string => {
  const named = partsOf(to)
  return named.class === '' ? destinationName(named.hop, partsOf(from).class) : to
}

export const reroute: Command = taskVerb({
  name: 'reroute',
  summary: 'send messages to another destination',
  usage: '--to DESTINATION ',
  text: `Moves messages to another destination: the name of a route with hosts of its own, or the domain of an MX route. Recipients, class,
content, attempts so far and the clock of retries stay; there the message is due at once. A delivery-agent does it, within moments,
also while the old destination is held or suspended. Mail that is still to come goes where the config says.`,
  states: ['due', 'in-hand', 'later', 'parked', 'held'],
  key: 'rerouted',
  done: (count) => `${count} marked to be rerouted`,
  check: async (spool, { to }) => {
    if (to === undefined) throw new UsageError('expected --to DESTINATION')
    const wrong = spool.directory.routeOf(to) === null ? ((await noDestination(spool, to)) ?? `there is no route to ${to}`) : null
    return wrong === null ? [] : [wrong]
  },
  markFor: (mark, destination, { to = '' }) => {
    const target = newDestination(to, destination)
    return target === destination ? null : { ...mark, to: target }
  },
})
