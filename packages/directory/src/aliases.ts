/**
 * R-alias and R-postmaster: from the address a client named to those that get the mail. Names of the config are compared
 * without case; what is handed to a server behind keeps its spelling. Every chain of aliases ends: a loop, or more than
 * MAX_DEPTH steps, is reported as such and never followed.
 */
import type { Mailbox } from '@sluice/smtp'

const MAX_DEPTH = 10
const MAX_RECIPIENTS = 10_000
/** RFC 2142 §5, RFC 5321 §4.5.1, and the name that notices come from. */
const ROLES = new Set(['postmaster', 'abuse', 'mailer-daemon'])

export type AliasDomain = {
  name: string
  recipients: 'listed' | 'any'
  aliases: Record<string, string[]>
  catchAll: string | null
  tag: string
  postmaster: string | null
}

/** `own`: the addresses that get the mail; foreign ones among them are aliases' targets, not the client's choice. */
export type Expansion = { kind: 'own'; addresses: string[] } | { kind: 'foreign' } | { kind: 'unknown' } | { kind: 'loop' }

type Step = { kind: 'end'; address: string } | { kind: 'alias'; targets: string[] } | { kind: 'unknown' }

/** Local part without quotes and case, as names are compared. `"a%b"` stays one name: no part of it is ever routed. */
export const localKey = (local: string): string =>
  (local.startsWith('"') ? local.slice(1, -1).replace(/\\(.)/g, '$1') : local).toLowerCase()

const withoutTag = (key: string, tag: string): string | null => {
  const at = tag === '' ? -1 : key.indexOf(tag)
  return at > 0 ? key.slice(0, at) : null
}

const split = (address: string): { local: string; domain: string } => {
  const at = address.lastIndexOf('@')
  return { local: address.slice(0, at), domain: address.slice(at + 1) }
}

export type Expand = (mailbox: Pick<Mailbox, 'local' | 'domain'>) => Expansion

/** @param accounts addresses of the accounts */
export const createExpand = (domains: AliasDomain[], accounts: string[]): Expand => {
  const byName = new Map(domains.map((domain) => [domain.name, domain]))
  const tables = new Map(
    domains.map(({ name, aliases }) => [
      name,
      new Map(Object.entries(aliases).map(([local, targets]) => [local.toLowerCase(), targets])),
    ]),
  )
  const accountOf = new Map(accounts.map((address) => [accountKey(address), address]))

  const listed = (domain: AliasDomain, key: string): Step | null => {
    const targets = tables.get(domain.name)?.get(key)
    if (targets !== undefined) return { kind: 'alias', targets }
    const account = accountOf.get(`${key}@${domain.name}`)
    return account === undefined ? null : { kind: 'end', address: account }
  }

  /** Who stands in for a role: the domain's postmaster, its catch-all, else its first account. */
  const role = (domain: AliasDomain): Step => {
    const chosen = domain.postmaster ?? domain.catchAll ?? accounts.find((address) => split(address).domain === domain.name)
    return chosen === undefined ? { kind: 'unknown' } : { kind: 'alias', targets: [chosen] }
  }

  const step = (domain: AliasDomain, local: string): Step => {
    const key = localKey(local)
    const untagged = withoutTag(key, domain.tag)
    const found = listed(domain, key) ?? (untagged === null ? null : listed(domain, untagged))
    if (found !== null) return found
    if (ROLES.has(key) && (domain.recipients === 'listed' || domain.postmaster !== null)) return role(domain)
    if (domain.recipients === 'any') return { kind: 'end', address: `${local}@${domain.name}` }
    return domain.catchAll === null ? { kind: 'unknown' } : { kind: 'alias', targets: [domain.catchAll] }
  }

  /** @param path the addresses that led here */
  const expand = (local: string, domainName: string, path: string[], found: Set<string>): 'ok' | 'unknown' | 'loop' => {
    const domain = byName.get(domainName)
    if (domain === undefined) {
      found.add(`${local}@${domainName}`)
      return 'ok'
    }
    const here = `${localKey(local)}@${domainName}`
    if (path.includes(here)) return ownCopy(here, path, found)
    if (path.length > MAX_DEPTH || found.size > MAX_RECIPIENTS) return 'loop'
    const next = step(domain, local)
    if (next.kind === 'unknown') return 'unknown'
    if (next.kind === 'end') {
      found.add(next.address)
      return 'ok'
    }
    const results = next.targets.map((target) => {
      const { local: nextLocal, domain: nextDomain } = split(target)
      return expand(nextLocal, nextDomain, [...path, here], found)
    })
    return results.includes('loop') ? 'loop' : results.includes('ok') ? 'ok' : 'unknown'
  }

  /** An alias that names itself (`anna: [anna, ben]`) keeps a copy in the account of that name; anything else is a loop. */
  const ownCopy = (here: string, path: string[], found: Set<string>): 'ok' | 'loop' => {
    const account = accountOf.get(here)
    if (path.at(-1) !== here || account === undefined) return 'loop'
    found.add(account)
    return 'ok'
  }

  return ({ local, domain }) => {
    if (!byName.has(domain)) return { kind: 'foreign' }
    const found = new Set<string>()
    const result = expand(local, domain, [], found)
    return result === 'ok' ? { kind: 'own', addresses: [...found] } : { kind: result }
  }
}

/** How an account's address is compared: without quotes and case. */
export const accountKey = (address: string): string => {
  const { local, domain } = split(address)
  return `${localKey(local)}@${domain.toLowerCase()}`
}
