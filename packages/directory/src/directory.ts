/** Who is here, who may, and where mail goes: the questions that services ask of the config. No I/O but the scrypt of log-ins. */
import { networkInterfaces } from 'node:os'
import { partsOf, type Recipient } from '@sluice/contracts'
import { createNetworks, plainIp } from '@sluice/runtime'
import { compileReplyRules, type Mailbox, matchReplyRule, type Refusal, type ReplyRule, type ReplyRuleText } from '@sluice/smtp'
import { type AliasDomain, accountKey, createExpand } from './aliases.ts'
import { type ClassConfig, type ClassFacts, createClasses, USUAL_SHARE } from './classes.ts'
import type { Account, Route } from './config.ts'
import type { Destination } from './destination.ts'
import { type CheckPassword, createCheckPassword } from './passwords.ts'
import { createPolicies, type Explained, type Policy, type Shaping, type Site } from './policies.ts'
import { createRouting } from './routing.ts'
import { createSiteClasses } from './site-classes.ts'

export type Resolution = { kind: 'own'; recipients: Recipient[] } | { kind: 'foreign' } | { kind: 'unknown' } | { kind: 'loop' }

export type Directory = {
  /** One of the domains, or an address literal of this host. */
  isOwnDomain: (domain: string) => boolean
  /** R-relay: may this client send to any domain? */
  isTrusted: (ip: string) => boolean
  /** The account's address; null when user or password is wrong, in the same time. */
  authenticate: (user: string, password: string) => Promise<string | null>
  /**
   * R-alias, R-postmaster: who gets mail for this address. `foreign` is for trusted and authenticated senders only.
   * `postmaster` without a domain is given with the empty domain.
   */
  resolve: (address: Mailbox) => Resolution
  /** R-route: the hop, which is the destination in the default class; null: no route. */
  destinationOf: (recipient: Recipient) => Destination | null
  /** Of any class of the hop. */
  routeOf: (destination: Destination) => Route | null
  /** '' for the default class. */
  classOf: (facts: ClassFacts) => string
  /** The header fields that `classOf` may ask for, in lower case; null: there are no classes, so it need not be called. */
  classHeaders: () => ReadonlySet<string> | null
  /**
   * What binds the mail of a destination: its route and the policies that match. null: no route.
   * @param site the hosts behind it; null where they are not known, or for a route that names its hosts
   */
  shapingOf: (destination: Destination, site: Site | null) => Shaping | null
  /** A class's weight; '' is the default class. */
  shareOf: (cls: string) => number
  /** As `shapingOf`, and which policies said so. */
  explain: (destination: Destination, site: Site | null) => Explained | null
  /** What a far end's reply asks for; null: nothing but what its code says. Costs next to nothing for what refuses nothing. */
  replyRuleOf: (refusal: Refusal) => ReplyRule | null
  /** What figures tell a site by; one of few. @param site its name, as grants have it */
  siteClassOf: (site: string) => string
  accountExists: (address: string) => boolean
  account: (address: string) => Account | null
}

/** What a directory needs of the config. */
export type DirectoryConfig = {
  domains: (AliasDomain & { route: string | null })[]
  accounts: { address: string; quotaBytes: number | null; password?: string | null }[]
  routes: Route[]
  trustedNetworks: string[]
  classes?: ClassConfig[]
  defaultShare?: number
  policies?: Policy[]
  replyRules?: ReplyRuleText[]
  metrics?: { sites: Record<string, string[]> }
}

const interfaceAddresses = (): string[] =>
  Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address))

/** `[192.0.2.1]`, `[IPv6:…]` → the address; null for domains. */
const literalIp = (domain: string): string | null => /^\[(?:IPv6:)?([^\]]+)\]$/i.exec(domain)?.[1] ?? null

export type DirectoryOptions = {
  /** The IPs whose literals mean this host; default: those of its interfaces. */
  ownAddresses?: string[]
  /** One that outlives this directory, with what it remembers. */
  checkPassword?: CheckPassword
}

export const createDirectory = (config: DirectoryConfig, options: DirectoryOptions = {}): Directory => {
  const names = new Set(config.domains.map(({ name }) => name))
  const first = config.domains[0]?.name
  const ownIps = createNetworks((options.ownAddresses ?? interfaceAddresses()).map(plainIp))
  const named = config.domains.flatMap(({ name, route }): [string, string][] => (route === null ? [] : [[name, route]]))
  const routing = createRouting(config.routes, new Map(named))
  const classes = createClasses(config.classes ?? [], config.defaultShare ?? USUAL_SHARE)
  const explained = createPolicies(config.policies ?? [])
  const explain = (destination: Destination, site: Site | null): Explained | null => {
    const route = routing.routeOf(destination)
    return route && explained({ destination, route, site, share: classes.shareOf(partsOf(destination).class) })
  }
  const replyRules = compileReplyRules(config.replyRules ?? [])
  const accounts = new Map(
    config.accounts.map(({ address, quotaBytes, password }) => [
      accountKey(address),
      { address, quotaBytes, password: password ?? null },
    ]),
  )
  const expand = createExpand(
    config.domains,
    config.accounts.map(({ address }) => address),
  )
  const checkPassword = options.checkPassword ?? createCheckPassword()
  const account = (address: string): Account | null => accounts.get(accountKey(address)) ?? null

  const isOwnLiteral = (domain: string): boolean => {
    const ip = literalIp(domain)
    return ip !== null && ownIps(ip)
  }
  const isOwnDomain = (domain: string): boolean => names.has(domain.toLowerCase()) || isOwnLiteral(domain)

  /** Mail to a literal of this host, or to the bare postmaster, belongs to the first domain. */
  const homeOf = (domain: string): string =>
    first !== undefined && (domain === '' || isOwnLiteral(domain)) ? first : domain.toLowerCase()

  return {
    isOwnDomain,
    isTrusted: createNetworks(config.trustedNetworks),
    authenticate: async (user, password) => {
      const found = account(user)
      return (await checkPassword(password, found?.password ?? null)) ? (found?.address ?? null) : null
    },
    resolve: (mailbox) => {
      const domain = homeOf(mailbox.domain)
      const expansion = expand({ local: mailbox.local, domain })
      if (expansion.kind === 'foreign')
        return isOwnDomain(mailbox.domain) || mailbox.domain === '' ? { kind: 'unknown' } : expansion
      if (expansion.kind !== 'own') return expansion
      const recipients = expansion.addresses.map((address): Recipient => {
        const same = accountKey(address) === accountKey(mailbox.text)
        return same ? { address } : { address, original: mailbox.domain === '' ? mailbox.local : mailbox.text }
      })
      return { kind: 'own', recipients }
    },
    destinationOf: ({ address }) => routing.destinationOf(address.slice(address.lastIndexOf('@') + 1)),
    routeOf: routing.routeOf,
    classOf: classes.classOf,
    classHeaders: () => classes.headers,
    shapingOf: (destination, site) => explain(destination, site)?.shaping ?? null,
    shareOf: classes.shareOf,
    explain,
    replyRuleOf: (refusal) => matchReplyRule(replyRules, refusal),
    siteClassOf: createSiteClasses(config.routes, config.metrics?.sites ?? {}),
    accountExists: (address) => account(address) !== null,
    account,
  }
}
