import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { needsUtf8, parseDomain, parseMailbox, sameMailbox } from './mailbox.ts'

const parse = (text: string, utf8 = false) => parseMailbox(text, { utf8 })

describe('R-address: mailboxes parse by the grammar', () => {
  it.each([
    ['a@b', 'a@b'],
    ['Anna.Berg+tag@Example.ORG', 'Anna.Berg+tag@example.org'],
    ['"a b"@c', '"a b"@c'],
    ['"a@b\\"c"@example.org', '"a@b\\"c"@example.org'],
    ['""@example.org', '""@example.org'],
    ['a@[192.0.2.1]', 'a@[192.0.2.1]'],
    ['a@[ipv6:2001:DB8::1]', 'a@[IPv6:2001:db8::1]'],
    ["!#$%&'*+/=?^_`{|}~-@example.org", "!#$%&'*+/=?^_`{|}~-@example.org"],
    ['user%other@own.example', 'user%other@own.example'],
    ['a@xn--bcher-kva.example', 'a@xn--bcher-kva.example'],
  ])('R-address: %s is kept as %s', (text, expected) => {
    expect(parse(text)?.text).toBe(expected)
  })

  it.each([
    '',
    '@',
    'a',
    'a@',
    '@b',
    'a@@b',
    'a..b@c',
    '.a@c',
    'a.@c',
    'a b@c',
    'a@b@c',
    'a@-b.example',
    'a@b-.example',
    'a@b..example',
    'a@example.org.',
    'a@exa_mple.org',
    'a@192.0.2.1',
    'a@[192.0.2.300]',
    'a@[IPv6:fe80::1%eth0]',
    'a@[IPv6:zz]',
    'a@[x:tag]',
    '"a"b@c',
    '"a@c',
    '"a\r\nb"@c',
    'a\0@c',
    'a@c\n',
    'a(comment)@c',
    `${'a'.repeat(65)}@c`,
    `a@${'b'.repeat(64)}.example`,
    `a@${'b.'.repeat(127)}org`,
    'müller@example.org',
    'a@bücher.example',
  ])('R-address: %j is refused', (text) => {
    expect(parse(text)).toBeNull()
  })

  it('R-address: the limits of 64, 254 and 255 octets are exact', () => {
    expect(parse(`${'a'.repeat(64)}@example.org`)).not.toBeNull()
    const domain = `${'b'.repeat(61)}.${'c'.repeat(61)}.${'d'.repeat(61)}`
    const local = 'a'.repeat(64)
    expect(`${local}@${domain}.de`.length).toBe(253)
    expect(parse(`${local}@${domain}.com`)?.text.length).toBe(254)
    expect(parse(`${local}@${domain}.info`)).toBeNull()
    expect(parse(`${'ü'.repeat(32)}@example.org`, true)).not.toBeNull()
    expect(parse(`${'ü'.repeat(33)}@example.org`, true)).toBeNull()
  })

  it('R-address: UTF-8 local parts stay, UTF-8 domains are stored as A-labels', () => {
    expect(parse('müller@Bücher.example', true)).toEqual({
      local: 'müller',
      domain: 'xn--bcher-kva.example',
      text: 'müller@xn--bcher-kva.example',
    })
    expect(parse('"ü ü"@example.org', true)?.local).toBe('"ü ü"')
    expect(parse('用户@例子.广告', true)?.domain).toBe('xn--fsqu00a.xn--4rr70v')
    expect(parse('a\u{fffd}@example.org', true)).toBeNull()
    expect(parse('a\u{85}@example.org', true)).toBeNull()
  })

  it('R-address: a domain that only looks like a name after mapping is not an address', () => {
    expect(parseDomain('１２７.0.0.1', { utf8: true })).toBeNull()
    expect(parseDomain('0x7f.1', { utf8: false })).toBeNull()
  })

  it('R-address: what parses, parses again to the same, in bounded size and without line ends', () => {
    const anything = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 80 }),
      fc.tuple(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.domain()).map(([local, domain]) => `${local}@${domain}`),
      fc.emailAddress(),
    )
    fc.assert(
      fc.property(anything, fc.boolean(), (text, utf8) => {
        const first = parse(text, utf8)
        if (first === null) return
        expect(parse(first.text, utf8)).toEqual(first)
        expect(Buffer.byteLength(first.text)).toBeLessThanOrEqual(254)
        expect(first.text).not.toMatch(/\p{Cc}/u)
        expect(first.domain).toMatch(/^[\x21-\x7e]+$/)
        if (!utf8) expect(needsUtf8(first.text)).toBe(false)
      }),
      { numRuns: 2000 },
    )
  })

  it('R-address: an ordinary address is always taken', () => {
    const label = fc.stringMatching(/^[a-z][a-z0-9]{0,10}$/)
    fc.assert(
      fc.property(label, label, label, (local, name, top) => {
        expect(parse(`${local}@${name}.${top}`)?.text).toBe(`${local}@${name}.${top}`)
      }),
    )
  })

  it('R-address: hostile length costs linear time', () => {
    const started = performance.now()
    expect(parse(`${'a.'.repeat(500_000)}@b`)).toBeNull()
    expect(parse(`"${'\\"'.repeat(500_000)}`)).toBeNull()
    expect(performance.now() - started).toBeLessThan(200)
  })
})

it('R-duplicate: mailboxes compare the local part as it stands and the domain without case', () => {
  const same = (a: string, b: string) => sameMailbox(parse(a)!, parse(b)!)
  expect(same('anna@Example.org', 'anna@eXAMPLE.org')).toBe(true)
  expect(same('Anna@example.org', 'anna@example.org')).toBe(false)
  expect(same('"anna"@example.org', 'anna@example.org')).toBe(false)
  expect(same('a@[IPv6:2001:DB8::1]', 'a@[IPV6:2001:db8::1]')).toBe(true)
})

it('R-utf8: an address needs SMTPUTF8 exactly when it holds more than ASCII', () => {
  expect(needsUtf8('müller@example.org')).toBe(true)
  expect(needsUtf8('muller@xn--bcher-kva.example')).toBe(false)
})
