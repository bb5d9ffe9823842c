/** What no single key can say: names that must exist, things that must not be there twice, files that must be readable. */
import { access, constants } from 'node:fs/promises'
import { resolve } from 'node:path'
import { SPOOL_NAMES } from '@sluice/contracts'
import {
  type Address,
  byPlace,
  createNetworks,
  formatAddress,
  formatPath,
  type Problem,
  parseNetwork,
  type YamlDocument,
} from '@sluice/runtime'
import { accountKey } from './aliases.ts'
import { certificateFindings } from './certificate-checks.ts'
import { recipientsOf } from './config.ts'
import { createDirectory } from './directory.ts'
import { portFindings, portWarnings } from './port-checks.ts'
import type { WrittenConfig } from './schema.ts'
import { type Finding, repeated, shapingFindings } from './shaping-checks.ts'
import { contentFindings, redisFindings } from './store-checks.ts'

type Check = (config: WrittenConfig) => Finding[]

const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1)
const quoted = (names: string[]): string => (names.length === 0 ? 'none is defined' : `defined are ${names.join(', ')}`)

const duplicates: Check = ({ domains, routes, accounts, listeners }) => [
  ...repeated(
    domains.map(({ name }) => name),
    (i) => ['domains', i, 'name'],
    'domain',
  ),
  ...repeated(
    routes.map(({ name }) => name),
    (i) => ['routes', i, 'name'],
    'route',
  ),
  ...repeated(
    listeners.map(({ name }) => name),
    (i) => ['listeners', i, 'name'],
    'listener',
  ),
  ...repeated(
    accounts.map(({ address }) => accountKey(address)),
    (i) => ['accounts', i, 'address'],
    'account',
  ),
  ...repeated(
    listeners.map(({ listen }, i) => (listen.port === 0 ? `any port, ${i}` : formatAddress(listen))),
    (i) => ['listeners', i, 'listen'],
    'address',
  ),
  ...repeated(
    routes.flatMap(({ match }) => match),
    (n) => {
      const places = routes.flatMap(({ match }, i) => match.map((_, j) => ['routes', i, 'match', j]))
      return places[n] ?? ['routes']
    },
    'pattern of `match`',
  ),
]

const matches = (routes: WrittenConfig['routes'], domain: string): boolean =>
  routes.some(({ match }) => match.some((p) => p === '*' || p === domain || (p.startsWith('*.') && domain.endsWith(p.slice(1)))))

const routesOfDomains: Check = ({ domains, routes }) =>
  domains.flatMap(({ name, route }, i): Finding[] => {
    const names = routes.map((one) => one.name)
    if (route !== null && route !== 'local' && !names.includes(route)) {
      return [{ path: ['domains', i, 'route'], message: `expected the name of a route, not ${route}; ${quoted(names)}` }]
    }
    const matched = route !== null || matches(routes, name)
    return matched ? [] : [{ path: ['domains', i], message: `expected a route for ${name}: name one here, or match it in one` }]
  })

const namesOfRoutes: Check = ({ routes }) =>
  routes.flatMap(({ name }, i): Finding[] =>
    SPOOL_NAMES.has(name)
      ? [{ path: ['routes', i, 'name'], message: `expected another name: the spool keeps its own data under ${name}` }]
      : [],
  )

const hosts: Check = ({ routes }) =>
  routes.flatMap(({ type, hosts, auth, tls }, i): Finding[] => [
    ...((type === 'smtp' || type === 'lmtp') && hosts.length === 0
      ? [{ path: ['routes', i], message: `expected hosts: a route of type ${type} goes to at least one` }]
      : []),
    ...(type === 'mx' && hosts.length > 0
      ? [{ path: ['routes', i, 'hosts'], message: 'expected no hosts: a route of type mx asks the DNS' }]
      : []),
    ...(auth !== null && tls === 'off'
      ? [{ path: ['routes', i, 'tls'], message: 'expected TLS: a password is never sent in the clear' }]
      : []),
  ])

const schedules: Check = ({ routes, schedules, schedule }) => {
  const known = ['classic', 'internet', ...Object.keys(schedules)]
  const unknown = (name: string | null, path: PropertyKey[]): Finding[] =>
    name === null || known.includes(name) ? [] : [{ path, message: `expected one of ${known.join(', ')}, not ${name}` }]
  return [
    ...['classic', 'internet'].flatMap((name) =>
      name in schedules ? [{ path: ['schedules', name], message: `expected another name: ${name} is built in` }] : [],
    ),
    ...unknown(schedule, ['schedule']),
    ...routes.flatMap((route, i) => unknown(route.schedule, ['routes', i, 'schedule'])),
  ]
}

const accounts: Check = ({ accounts, domains }) =>
  accounts.flatMap(({ address, passwordFile, passwordHash }, i): Finding[] => [
    ...(domains.some(({ name }) => name === domainOf(address))
      ? []
      : [
          {
            path: ['accounts', i, 'address'],
            message: `expected an address in one of the domains; ${domainOf(address)} is none`,
          },
        ]),
    ...(passwordFile !== null && passwordHash !== null
      ? [{ path: ['accounts', i, 'passwordHash'], message: 'expected passwordFile or passwordHash, not both' }]
      : []),
  ])

const listeners: Check = ({ listeners }) =>
  listeners.flatMap(({ tls, implicitTls, auth }, i): Finding[] =>
    tls !== null
      ? []
      : [
          ...(implicitTls ? [{ path: ['listeners', i, 'implicitTls'], message: 'expected tls with certFile and keyFile' }] : []),
          ...(auth !== 'off'
            ? [
                {
                  path: ['listeners', i, 'auth'],
                  message: 'expected tls with certFile and keyFile: AUTH is offered only under TLS',
                },
              ]
            : []),
        ],
  )

/** Aliases, catch-alls and postmasters of own domains must lead to somebody (R-alias, R-postmaster). */
const targets: Check = (config) => {
  const domains = config.domains.map((domain) => ({ ...domain, recipients: recipientsOf(domain, config) }))
  const directory = createDirectory({ domains, accounts: config.accounts, routes: [], trustedNetworks: [] }, { ownAddresses: [] })
  const test = (address: string, path: PropertyKey[]): Finding[] => {
    const at = address.lastIndexOf('@')
    const { kind } = directory.resolve({ local: address.slice(0, at), domain: address.slice(at + 1), text: address })
    if (kind === 'loop')
      return [{ path, message: `expected an end: ${address} leads back to itself, or through too many aliases` }]
    return kind === 'unknown' ? [{ path, message: `expected an address that exists; ${address} does not` }] : []
  }
  return domains.flatMap(({ name, aliases, catchAll, postmaster, recipients }, i): Finding[] => [
    ...Object.values(aliases).flatMap((list, n) =>
      list.flatMap((target) => test(target, ['domains', i, 'aliases', Object.keys(aliases)[n] as string])),
    ),
    // One that does not exist would lead to the catch-all itself.
    ...(catchAll === null || test(catchAll, []).length === 0
      ? []
      : [{ path: ['domains', i, 'catchAll'], message: `expected an address that exists; ${catchAll} does not` }]),
    ...(catchAll !== null && recipients === 'any'
      ? [{ path: ['domains', i, 'catchAll'], message: 'expected recipients: listed; with `any` all names exist' }]
      : []),
    ...(postmaster === null ? [] : test(postmaster, ['domains', i, 'postmaster'])),
    ...(directory.resolve({ local: 'postmaster', domain: name, text: `postmaster@${name}` }).kind === 'unknown'
      ? [{ path: ['domains', i], message: `expected postmaster: an address; ${name} lists nobody who could be it` }]
      : []),
  ])
}

const CHECKS: Check[] = [
  redisFindings,
  contentFindings,
  duplicates,
  namesOfRoutes,
  routesOfDomains,
  hosts,
  schedules,
  accounts,
  listeners,
  targets,
]

const unreadable = async (config: WrittenConfig, baseDir: string): Promise<Finding[]> => {
  const files: [PropertyKey[], string | null | undefined][] = [
    [['redis', 'passwordFile'], config.redis.passwordFile],
    [['redis', 'sentinelPasswordFile'], config.redis.sentinelPasswordFile],
    ...(['caFile', 'certFile', 'keyFile'] as const).map((name): [PropertyKey[], string | null | undefined] => [
      ['redis', 'tls', name],
      config.redis.tls?.[name],
    ]),
    ...(['accessKeyFile', 'secretKeyFile', 'caFile'] as const).map((name): [PropertyKey[], string | null | undefined] => [
      ['content', 's3', name],
      config.content.s3?.[name],
    ]),
    ...config.listeners.flatMap(({ tls }, i): [PropertyKey[], string | undefined][] => [
      [['listeners', i, 'tls', 'certFile'], tls?.certFile],
      [['listeners', i, 'tls', 'keyFile'], tls?.keyFile],
    ]),
    ...config.accounts.map(({ passwordFile }, i): [PropertyKey[], string | null] => [
      ['accounts', i, 'passwordFile'],
      passwordFile,
    ]),
    ...config.routes.map(({ auth }, i): [PropertyKey[], string | undefined] => [
      ['routes', i, 'auth', 'passwordFile'],
      auth?.passwordFile,
    ]),
  ]
  const found = await Promise.all(
    files.map(async ([path, file]): Promise<Finding[]> => {
      if (file === null || file === undefined) return []
      const full = resolve(baseDir, file)
      const readable = await access(full, constants.R_OK).then(
        () => true,
        () => false,
      )
      return readable ? [] : [{ path, message: `expected a file that can be read; ${full} cannot` }]
    }),
  )
  return found.flat()
}

/** `shippedRules`: names of the shipped reply rules. */
export type CheckContext = { baseDir: string; shippedRules: string[] }

/** @returns every problem, in the order of the file; empty when the config can be used */
export const checkConfig = async (config: WrittenConfig, document: YamlDocument, context: CheckContext): Promise<Problem[]> => {
  const findings = [
    ...CHECKS.flatMap((check) => check(config)),
    ...shapingFindings(config, context.shippedRules),
    ...portFindings(config),
    ...(await unreadable(config, context.baseDir)),
    ...(await certificateFindings(config, context.baseDir)),
  ]
  return findings.map(({ path, message }) => ({ ...document.placeOf(path), key: formatPath(path), message })).toSorted(byPlace)
}

/** A large part of the Internet: more than one of 256 IPv4 addresses, or IPv6 beyond private networks. R-relay */
const isBroad = (text: string): boolean => {
  const network = parseNetwork(text)
  if (network === null) return false
  const { ip, prefix, family } = network
  if (family === 'ipv4') return prefix < 8
  return (prefix < 16 && !/^f[cde]/i.test(ip)) || (prefix <= 96 && createNetworks([text])('8.8.8.8'))
}

/** Where mail for a route would come straight back in. */
const isOurs = (host: string, port: number | null, listen: Address): boolean =>
  port === listen.port &&
  (host === listen.host || (/^(0\.0\.0\.0|::)$/.test(listen.host) && /^(127\.|::1$|localhost$)/.test(host)))

const loops = ({ routes, listeners }: WrittenConfig): string[] =>
  routes.flatMap(({ name, type, hosts }) =>
    hosts.flatMap(({ host, port }) =>
      listeners
        .filter(({ listen }) => type === 'smtp' && isOurs(host, port ?? 25, listen))
        .map((listener) => `routes: ${name} leads back to the listener ${listener.name}; its mail would go in circles`),
    ),
  )

/** @param hostname as it will be used */
export const warningsOf = (config: WrittenConfig, hostname: string): string[] => [
  ...(/^[^.\s]+(\.[^.\s]+)+$/.test(hostname)
    ? []
    : [`hostname: ${hostname} is no full domain name; other servers may refuse mail that it greets with`]),
  ...config.trustedNetworks
    .filter(isBroad)
    .map((one) => `trustedNetworks: ${one} holds the Internet, or a large part of it; this is an open relay`),
  ...config.listeners.flatMap(({ name, proxy }) =>
    (proxy?.trusted ?? [])
      .filter(isBroad)
      .map(
        (one) =>
          `listeners: proxy.trusted of ${name} holds the Internet, or a large part of it (${one}); anybody could claim any address`,
      ),
  ),
  ...loops(config),
  ...(config.listeners.length === 0 ? ['listeners: there are none; no mail can come in by SMTP'] : []),
  ...portWarnings(config),
  ...(config.redis.cluster.length > 0 && config.redis.lanes === 1
    ? ['redis.lanes: 1; all mail lies on one shard of the cluster. 16 lanes use them all']
    : []),
  ...(config.redis.requireDurable ? [] : ['redis.requireDurable: false; accepted mail can be lost with Redis']),
]
