/** Paths of MAIL FROM and RCPT TO, RFC 5321 §4.1.2: `<a@b>`, `<>`, `<postmaster>`, and source routes, which are dropped (§4.1.1.3). */
import { type Mailbox, parseDomain, parseMailbox } from './mailbox.ts'

export type Path =
  | { kind: 'mailbox'; mailbox: Mailbox }
  /** The null reverse-path `<>`. */
  | { kind: 'null' }
  /** `<postmaster>` without a domain, in any case; for RCPT TO only. */
  | { kind: 'postmaster' }

/** Where the path that begins at `<` ends (behind its `>`), quotes and backslashes respected; -1 when it does not. */
export const findPathEnd = (text: string): number => {
  if (!text.startsWith('<')) return -1
  let quoted = false
  for (let i = 1; i < text.length; i++) {
    const c = text[i]
    if (quoted && c === '\\') i++
    else if (c === '"') quoted = !quoted
    else if (c === '>' && !quoted) return i + 1
  }
  return -1
}

/** `@a,@b:user@c` → `user@c`; null when the route is no A-d-l. */
const dropRoute = (text: string, utf8: boolean): string | null => {
  if (!text.startsWith('@')) return text
  const colon = findRouteEnd(text)
  if (colon === -1) return null
  const hops = text.slice(0, colon).split(',')
  return hops.every((hop) => hop.startsWith('@') && parseDomain(hop.slice(1), { utf8 }) !== null) ? text.slice(colon + 1) : null
}

/** The colon behind the route, outside of address literals such as `[IPv6:…]`. */
const findRouteEnd = (text: string): number => {
  let inLiteral = false
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '[') inLiteral = true
    else if (text[i] === ']') inLiteral = false
    else if (text[i] === ':' && !inLiteral) return i
  }
  return -1
}

/**
 * A whole path, angle brackets included; null when it is none. Whether `null` or `postmaster` is welcome is the caller's to say.
 *
 * @param options.utf8 take UTF-8 (RFC 6531)
 */
export const parsePath = (text: string, options: { utf8: boolean }): Path | null => {
  if (text.length > 1024 || findPathEnd(text) !== text.length) return null
  const inner = text.slice(1, -1)
  if (inner === '') return { kind: 'null' }
  if (inner.toLowerCase() === 'postmaster') return { kind: 'postmaster' }
  const address = dropRoute(inner, options.utf8)
  const mailbox = address === null ? null : parseMailbox(address, options)
  return mailbox === null ? null : { kind: 'mailbox', mailbox }
}
