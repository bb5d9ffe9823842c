/**
 * Policies: what binds the mail of a destination, merged from its route and all policies that match, in their order; what a later
 * one says wins. A policy whose match names a site, and neither destination nor class, binds the whole site with its `connections`
 * and `rate`; any other binds each destination. So a site has the same limits whichever of its destinations asks.
 */
import { domainOf, partsOf } from '@sluice/contracts'
import type { Rate } from '@sluice/runtime'
import { anyOf, nameMatcher } from '@sluice/smtp'
import { DEFAULT_CLASS } from './classes.ts'
import type { Route } from './config.ts'
import type { Schedule } from './schedules.ts'
import type { WrittenConfig } from './schema.ts'

type WrittenPolicy = WrittenConfig['policies'][number]
/** With its schedule in place of the name. */
export type Policy = Omit<WrittenPolicy, 'schedule'> & { schedule: Schedule | null }

/** The hosts behind a destination. `hosts` are their names in lower case. */
export type Site = { name: string; hosts: readonly string[] }

/** What binds the mail of one destination. */
export type Shaping = {
  /** Connections to the whole site at once, all its destinations and classes together. */
  siteConnections: number
  /** Connections to this destination at once; never more than `siteConnections`. */
  connections: number
  /** Messages to the whole site; null: no limit. */
  siteRate: Rate | null
  /** Messages to this destination; null: no limit. */
  rate: Rate | null
  /** null: no limit */
  messagesPerConnection: number | null
  schedule: Schedule
  tls: Route['tls']
  /** The own IP address that connections come from; null: the system chooses. */
  source: string | null
  /** The class's weight, 1 to 100. */
  share: number
}

type Names = { site: readonly string[]; destination: string; class: string; route: string }
type Compiled = { policy: Policy; matches: (names: Names) => boolean; wholeSite: boolean }

const compile = (policy: Policy): Compiled => {
  const { site, destination, class: cls, route } = policy.match
  const conditions: ((names: Names) => boolean)[] = []
  const ask = (patterns: string[] | null, textsOf: (names: Names) => readonly string[]): void => {
    if (patterns === null) return
    const matches = anyOf(patterns, nameMatcher)
    conditions.push((names) => textsOf(names).some(matches))
  }
  ask(route, (names) => [names.route])
  ask(cls, (names) => [names.class])
  ask(destination, (names) => [names.destination])
  ask(site, (names) => names.site)
  return {
    policy,
    matches: (names) => conditions.every((holds) => holds(names)),
    wholeSite: site !== null && destination === null && cls === null,
  }
}

/** `none` lifts a limit; null says nothing. */
const said = <T>(value: T | 'none' | null, before: T | null): T | null =>
  value === null ? before : value === 'none' ? null : (value as T)

const merge = (shaping: Shaping, { policy, wholeSite }: Compiled): Shaping => {
  const connections = policy.connections
  return {
    ...shaping,
    ...(connections === null ? {} : wholeSite ? { siteConnections: connections } : { connections }),
    ...(wholeSite ? { siteRate: said(policy.rate, shaping.siteRate) } : { rate: said(policy.rate, shaping.rate) }),
    messagesPerConnection: said(policy.messagesPerConnection, shaping.messagesPerConnection),
    schedule: policy.schedule ?? shaping.schedule,
    tls: policy.tls ?? shaping.tls,
    source: said(policy.source, shaping.source),
  }
}

export type ShapingInputs = {
  destination: string
  route: Route
  /** null: not known (yet). Policies that ask for a site do not apply then, but to routes with hosts of their own. */
  site: Site | null
  share: number
}

export type Explained = {
  shaping: Shaping
  /** The policies that apply, counted from 0. */
  applied: number[]
}

/** @returns what binds a destination, and the policies that said so */
export const createPolicies = (policies: readonly Policy[]): ((inputs: ShapingInputs) => Explained) => {
  const compiled = policies.map(compile)
  return ({ destination, route, site, share }) => {
    const behind = site ?? (route.type === 'mx' ? null : { name: route.name, hosts: route.hosts.map(({ host }) => host) })
    const names: Names = {
      site: behind === null ? [] : [behind.name, ...behind.hosts],
      destination: domainOf(destination),
      class: partsOf(destination).class || DEFAULT_CLASS,
      route: route.name,
    }
    const applied = compiled.flatMap((one, i) => (one.matches(names) ? [i] : []))
    const { connections, rate, schedule, tls } = route
    const start: Shaping = {
      siteConnections: connections,
      connections: Number.POSITIVE_INFINITY,
      siteRate: null,
      rate,
      messagesPerConnection: null,
      schedule,
      tls,
      source: null,
      share,
    }
    const shaping = applied.reduce((before, i) => merge(before, compiled[i] as Compiled), start)
    return { shaping: { ...shaping, connections: Math.min(shaping.connections, shaping.siteConnections) }, applied }
  }
}
