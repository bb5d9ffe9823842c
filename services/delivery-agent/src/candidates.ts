/** The hosts that a route leads to, in the order in which to try them (R-route, R-mx). */

import { isIP } from 'node:net'
import { domainOf } from '@sluice/contracts'
import type { Route } from '@sluice/directory'
import type { MxResolver } from '@sluice/mx'
import { type Judgement, judge } from '@sluice/smtp'
import type { ShapedRoute } from './shaped-route.ts'

export type Candidate = {
  /** The host's name, for TLS and for reports. */
  name: string
  /** IP address. */
  address: string
  port: number
  /** Candidates of one rank are equally good: an open connection to one of them is as good as a new one. */
  rank: number
}

export type Candidates = { kind: 'hosts'; hosts: Candidate[] } | { kind: 'none'; judgement: Judgement; reason: string }

/** More addresses than these are not tried in one attempt. */
const MAX_CANDIDATES = 12

/** One after the other by chance, each with the odds of its weight among those left. */
export const byWeight = <T extends { weight: number }>(hosts: readonly T[], random: () => number): T[] => {
  const left = [...hosts]
  const ordered: T[] = []
  while (left.length > 0) {
    let at = random() * left.reduce((sum, host) => sum + host.weight, 0)
    const found = left.findIndex((host) => {
      at -= host.weight
      return at < 0
    })
    ordered.push(...left.splice(Math.max(found, 0), 1))
  }
  return ordered
}

const noHost = (domain: string, answer: 'null-mx' | 'no-domain' | 'no-host' | 'own-host' | 'private' | 'failure'): Candidates => {
  const judgement = judge({ kind: 'dns', answer, domain })
  return { kind: 'none', judgement, reason: judgement.outcome.kind === 'delivered' ? '' : judgement.outcome.reason }
}

const fromMx = async (domain: string, resolver: MxResolver): Promise<Candidates> => {
  const answer = await resolver.resolveMx(domain)
  if (answer.kind === 'temporary') return noHost(domain, 'failure')
  if (answer.kind === 'loop') return noHost(domain, 'own-host')
  if (answer.kind !== 'hosts') return noHost(domain, answer.kind)
  const hosts = answer.hosts.flatMap(({ exchange, preference, addresses }) =>
    addresses.map((address) => ({ name: exchange, address, port: 25, rank: preference })),
  )
  return { kind: 'hosts', hosts: hosts.slice(0, MAX_CANDIDATES) }
}

const fromRoute = async (route: Route, resolver: MxResolver, random: () => number): Promise<Candidates> => {
  const ordered = route.select === 'weight' ? byWeight(route.hosts, random) : route.hosts
  const found = await Promise.all(
    ordered.map(async ({ host, port }, rank): Promise<Candidate[]> => {
      const answer = await resolver.resolveHost(host)
      return answer.kind === 'addresses' ? answer.addresses.map((address) => ({ name: host, address, port, rank })) : []
    }),
  )
  const hosts = found.flat().slice(0, MAX_CANDIDATES)
  if (hosts.length > 0) return { kind: 'hosts', hosts }
  // A name in our own config that does not resolve says nothing about the message.
  const what = 'its address cannot be found'
  const host = ordered.map((one) => one.host).join(', ') || route.name
  return { kind: 'none', judgement: judge({ kind: 'lost', stage: 'resolve', host, what }), reason: `${host}: ${what}` }
}

/** A connection from an address of our own leads only to addresses of its family. */
const reachableFrom = (source: string | null, found: Candidates): Candidates => {
  if (source === null || found.kind === 'none') return found
  const hosts = found.hosts.filter(({ address }) => isIP(address) === isIP(source))
  if (hosts.length > 0) return { kind: 'hosts', hosts }
  const host = found.hosts[0]?.name ?? ''
  const what = `no address of the family of ${source}, from which policy has us connect`
  return { kind: 'none', judgement: judge({ kind: 'lost', stage: 'resolve', host, what }), reason: `${host}: ${what}` }
}

/** @param destination its domain is looked up for MX routes */
export const findCandidates = async (
  destination: string,
  route: ShapedRoute,
  parts: { resolver: MxResolver; random: () => number },
): Promise<Candidates> => {
  const { resolver, random } = parts
  const found = route.type === 'mx' ? fromMx(domainOf(destination), resolver) : fromRoute(route, resolver, random)
  return reachableFrom(route.source, await found)
}
