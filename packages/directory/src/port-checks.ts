/** Ports that would be listened on twice: an error within one service, a warning where it is so only on one machine. */
import type { Address } from '@sluice/runtime'
import type { WrittenConfig } from './schema.ts'
import type { Finding } from './shaping-checks.ts'

type Place = { path: PropertyKey[]; what: string; service: string; address: Address }

const isWildcard = (host: string): boolean => host === '::' || host === '0.0.0.0'

/** Port 0 takes any that is free. */
const collide = (a: Address, b: Address): boolean =>
  a.port === b.port && a.port !== 0 && (a.host === b.host || isWildcard(a.host) || isWildcard(b.host))

const placesOf = ({ listeners, mailbox, http }: WrittenConfig): Place[] => [
  ...listeners.map(
    ({ name, listen }, i): Place => ({
      path: ['listeners', i, 'listen'],
      what: `the listener ${name}`,
      service: 'ingress',
      address: listen,
    }),
  ),
  { path: ['mailbox', 'listen'], what: 'the mailbox', service: 'mailbox', address: mailbox.listen },
  ...Object.entries(http.ports).map(
    ([service, port]): Place => ({
      path: ['http', 'ports', service],
      what: `the figures of ${service}`,
      service,
      address: { host: http.host, port },
    }),
  ),
]

const clashes = (config: WrittenConfig): { first: Place; second: Place }[] => {
  const places = placesOf(config)
  return places.flatMap((second, i) => {
    const first = places.slice(0, i).find(({ address }) => collide(address, second.address))
    return first === undefined ? [] : [{ first, second }]
  })
}

const isError = (first: Place, second: Place): boolean => first.service === second.service

/** Listeners at the very same address are told of elsewhere, as what stands there twice. */
const isRepeated = (first: Place, second: Place): boolean =>
  first.path[0] === 'listeners' && second.path[0] === 'listeners' && first.address.host === second.address.host

export const portFindings = (config: WrittenConfig): Finding[] =>
  clashes(config)
    .filter(({ first, second }) => isError(first, second) && !isRepeated(first, second))
    .map(({ first, second }) => ({
      path: second.path,
      message: `expected a port of its own: ${first.what} listens on ${second.address.port} already`,
    }))

export const portWarnings = (config: WrittenConfig): string[] =>
  clashes(config)
    .filter(({ first, second }) => !isError(first, second))
    .map(
      ({ first, second }) =>
        `${second.path.join('.')}: ${second.what} and ${first.what} share port ${second.address.port}; they cannot run on one machine`,
    )
