/**
 * From a domain to the hosts that take its mail (R-mx): RFC 5321 §5.1, RFC 7505, RFC 7504. Only what the DNS says for certain is
 * final (null MX, no such domain, a loop to ourselves); any failed question on the way makes the answer temporary, unless better
 * hosts are known already. Answers are kept for a minute, 10,000 of them at most; failures are not kept.
 */
import { isIP } from 'node:net'
import { createIsPrivate, literalAddress } from './address.ts'
import { createCache } from './cache.ts'
import { type Answer, createLookup, type Lookup, type MxRecord, type NameServer } from './lookup.ts'

export type MxHost = {
  /** Lower case, no dot at the end; for a literal the address itself. */
  exchange: string
  preference: number
  /** IPv6 and IPv4, in the order in which to try them; never empty. */
  addresses: string[]
}

export type MxAnswer =
  | { kind: 'hosts'; hosts: MxHost[] }
  | { kind: 'null-mx' }
  | { kind: 'no-domain' }
  /** The domain exists, and nothing of it has an address. */
  | { kind: 'no-host' }
  /** Only this host, or hosts behind it, are left (5.4.6). */
  | { kind: 'loop' }
  /** All addresses are private or loopback ones, and those are not allowed. */
  | { kind: 'private' }
  | { kind: 'temporary'; reason: string }

export type HostAnswer = { kind: 'addresses'; addresses: string[] } | { kind: 'no-host' } | { kind: 'temporary'; reason: string }

export type MxResolver = {
  /** @param domain A-labels in lower case, or an address literal. Hosts come best first, equal ones in a new order at each call. */
  resolveMx: (domain: string) => Promise<MxAnswer>
  /** Addresses of a host named in a route; an IP address is its own answer. */
  resolveHost: (host: string) => Promise<HostAnswer>
  /** The hosts behind a domain, so that domains at one provider share limits. */
  siteOf: (domain: string) => Promise<MxSite>
}

export type MxSite = {
  /** Short and stable: the best exchanges, sorted and joined; the domain itself while the DNS has no hosts for it. */
  name: string
  /** The best exchanges, sorted. */
  hosts: string[]
}

export type ResolverOptions = {
  /** config.resolver.servers; none: those of the system. */
  servers: readonly NameServer[]
  timeoutMs: number
  /** Own names, in any case: they and what is not better are dropped from a domain's hosts. */
  ownNames?: readonly string[]
  /** config.delivery.allowPrivateMx */
  allowPrivate?: boolean
  now?: () => number
  /** From 0 to below 1; chance by default. */
  random?: () => number
  /** How long answers are kept; default one minute. */
  ttlMs?: number
}

const MAX_EXCHANGES = 20
const MAX_SITE_LENGTH = 200

const normal = (name: string): string => name.toLowerCase().replace(/\.$/, '')

const shuffle = <T>(list: readonly T[], random: () => number): T[] => {
  const result = [...list]
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[result[i], result[j]] = [result[j]!, result[i]!]
  }
  return result
}

const mergeAddresses = (six: Answer<string>, four: Answer<string>): HostAnswer => {
  const addresses = [six, four].flatMap((answer) => (answer.kind === 'found' ? answer.records : []))
  if (addresses.length > 0) return { kind: 'addresses', addresses }
  const failed = [six, four].find((answer) => answer.kind === 'failed')
  return failed?.kind === 'failed' ? { kind: 'temporary', reason: failed.reason } : { kind: 'no-host' }
}

/** Own host among the exchanges: it and what is not better goes (RFC 5321 §5.1). */
const beforeOwn = (records: MxRecord[], own: ReadonlySet<string>): MxRecord[] => {
  const ownPriority = Math.min(
    ...records.filter((record) => own.has(normal(record.exchange))).map((record) => record.priority),
    Number.POSITIVE_INFINITY,
  )
  return records.filter((record) => record.priority < ownPriority)
}

type Parts = { lookup: Lookup; own: ReadonlySet<string>; isAllowed: (address: string) => boolean }

const withAddresses = async (records: MxRecord[], parts: Parts): Promise<MxAnswer> => {
  const answers = await Promise.all(
    records.slice(0, MAX_EXCHANGES).map(async (record) => {
      const exchange = normal(record.exchange)
      const [six, four] = await Promise.all([parts.lookup.aaaa(exchange), parts.lookup.a(exchange)])
      return { exchange, preference: record.priority, answer: mergeAddresses(six, four) }
    }),
  )
  const hosts: MxHost[] = []
  for (const { exchange, preference, answer } of answers) {
    const addresses = answer.kind === 'addresses' ? answer.addresses.filter(parts.isAllowed) : []
    if (addresses.length > 0) hosts.push({ exchange, preference, addresses })
  }
  if (hosts.length > 0) return { kind: 'hosts', hosts }
  const failed = answers.find(({ answer }) => answer.kind === 'temporary')?.answer
  if (failed?.kind === 'temporary') return { kind: 'temporary', reason: failed.reason }
  return answers.some(({ answer }) => answer.kind === 'addresses') ? { kind: 'private' } : { kind: 'no-host' }
}

/** No MX: the domain itself is the host (RFC 5321 §5.1). */
const implicitMx = async (domain: string, parts: Parts): Promise<MxAnswer> => {
  if (parts.own.has(domain)) return { kind: 'loop' }
  return withAddresses([{ exchange: domain, priority: 0 }], parts)
}

const lookUp = async (domain: string, parts: Parts): Promise<MxAnswer> => {
  const literal = literalAddress(domain)
  if (literal !== null) {
    if (!parts.isAllowed(literal)) return { kind: 'private' }
    return { kind: 'hosts', hosts: [{ exchange: literal, preference: 0, addresses: [literal] }] }
  }
  const answer = await parts.lookup.mx(domain)
  if (answer.kind === 'failed') return { kind: 'temporary', reason: answer.reason }
  if (answer.kind === 'no-name') return { kind: 'no-domain' }
  if (answer.kind === 'empty') return implicitMx(domain, parts)
  const named = answer.records.filter((record) => normal(record.exchange) !== '')
  if (named.length === 0) return { kind: 'null-mx' }
  const usable = beforeOwn(named, parts.own).sort((a, b) => a.priority - b.priority)
  return usable.length === 0 ? { kind: 'loop' } : withAddresses(usable, parts)
}

const orderHosts = (hosts: MxHost[], random: () => number): MxHost[] =>
  shuffle(hosts, random)
    .map((host) => ({ ...host, addresses: [...host.addresses] }))
    .sort((a, b) => a.preference - b.preference)

const siteBehind = (domain: string, answer: MxAnswer): MxSite => {
  if (answer.kind !== 'hosts') return { name: domain, hosts: [] }
  const best = Math.min(...answer.hosts.map((host) => host.preference))
  const hosts = answer.hosts.filter((host) => host.preference === best).map((host) => host.exchange)
  const joined = hosts.sort().join(',')
  return { name: joined.length <= MAX_SITE_LENGTH ? joined : `${hosts[0]},+${hosts.length - 1}`, hosts }
}

const createResolveHost =
  (lookup: Lookup, hasServers: boolean) =>
  async (host: string): Promise<HostAnswer> => {
    if (isIP(host) !== 0) return { kind: 'addresses', addresses: [host] }
    let asked: HostAnswer = { kind: 'no-host' }
    if (hasServers) {
      const [six, four] = await Promise.all([lookup.aaaa(host), lookup.a(host)])
      asked = mergeAddresses(six, four)
      if (asked.kind === 'addresses') return asked
    }
    const system = await lookup.system(host)
    if (system.kind === 'found') return { kind: 'addresses', addresses: [...new Set(system.records)] }
    return system.kind === 'failed' ? { kind: 'temporary', reason: system.reason } : asked
  }

export const createResolver = (options: ResolverOptions): MxResolver => {
  const { servers, timeoutMs, now = Date.now, random = Math.random, ttlMs = 60_000 } = options
  const lookup = createLookup({ servers, timeoutMs })
  const isPrivate = createIsPrivate()
  const parts: Parts = {
    lookup,
    own: new Set((options.ownNames ?? []).map(normal)),
    isAllowed: options.allowPrivate === true ? () => true : (address) => !isPrivate(address),
  }
  const cachedMx = createCache<MxAnswer>({ ttlMs, maxEntries: 10_000, now })
  const cachedHost = createCache<HostAnswer>({ ttlMs, maxEntries: 1_000, now })
  const askHost = createResolveHost(lookup, servers.length > 0)
  const answerFor = (domain: string): Promise<MxAnswer> => {
    const name = normal(domain)
    return cachedMx(
      name,
      () => lookUp(name, parts),
      (answer) => answer.kind !== 'temporary',
    )
  }
  return {
    resolveMx: async (domain) => {
      const answer = await answerFor(domain)
      return answer.kind === 'hosts' ? { kind: 'hosts', hosts: orderHosts(answer.hosts, random) } : answer
    },
    resolveHost: (host) =>
      cachedHost(
        host,
        () => askHost(host),
        (answer) => answer.kind === 'addresses',
      ),
    siteOf: async (domain) => siteBehind(normal(domain), await answerFor(domain)),
  }
}
