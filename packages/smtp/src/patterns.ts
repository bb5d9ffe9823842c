/**
 * The patterns of policies, classes and reply rules, compiled once and matched without case in time linear to the text:
 *
 * - of names (domains, hosts, sites, routes, classes): `example.org` is this name, `*.example.org` every name below it (not itself),
 *   `*` every name;
 * - of addresses: `anna@example.org`, a local part with `*` for any characters (`bounce-*@example.org`), a pattern of names behind
 *   the @ (`*@*.example.org`), or a pattern of names alone, which any local part suits; `<>` is the null reverse-path;
 * - of text: as it stands, with `*` for any characters.
 */
export type Matcher = (text: string) => boolean

const everything: Matcher = () => true

export const nameMatcher = (pattern: string): Matcher => {
  if (pattern === '*') return everything
  const wanted = pattern.toLowerCase()
  if (!wanted.startsWith('*.')) return (text) => text.toLowerCase() === wanted
  const suffix = wanted.slice(1)
  return (text) => text.length > suffix.length && text.toLowerCase().endsWith(suffix)
}

/** `*` stands for any characters, none included. The parts between are found one after the other, so no text makes it slow. */
export const textMatcher = (pattern: string): Matcher => {
  const [first = '', ...rest] = pattern.toLowerCase().split('*')
  const last = rest.pop()
  if (last === undefined) return (text) => text.toLowerCase() === first
  return (given) => {
    const text = given.toLowerCase()
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false
    let at = first.length
    const end = text.length - last.length
    for (const part of rest) {
      const found = text.indexOf(part, at)
      if (found === -1 || found + part.length > end) return false
      at = found + part.length
    }
    return at <= end
  }
}

/** @returns what matches an address; '' is the null reverse-path */
export const addressMatcher = (pattern: string): Matcher => {
  if (pattern === '<>') return (address) => address === ''
  if (pattern === '*') return everything
  const at = pattern.lastIndexOf('@')
  const local = textMatcher(at === -1 ? '*' : pattern.slice(0, at))
  const domain = nameMatcher(pattern.slice(at + 1))
  return (address) => {
    const split = address.lastIndexOf('@')
    return split !== -1 && domain(address.slice(split + 1)) && local(address.slice(0, split))
  }
}

/** One of several. */
export const anyOf = (patterns: readonly string[], compile: (pattern: string) => Matcher): Matcher => {
  const matchers = patterns.map(compile)
  return (text) => matchers.some((matches) => matches(text))
}
