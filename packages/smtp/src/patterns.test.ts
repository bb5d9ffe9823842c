import { describe, expect, it } from 'vitest'
import { addressMatcher, anyOf, nameMatcher, textMatcher } from './patterns.ts'

describe('patterns of names', () => {
  it.each([
    ['example.org', 'example.org', true],
    ['example.org', 'EXAMPLE.org', true],
    ['example.org', 'mx.example.org', false],
    ['*.example.org', 'mx.example.org', true],
    ['*.example.org', 'a.b.example.org', true],
    ['*.example.org', 'example.org', false],
    ['*.example.org', 'notexample.org', false],
    ['*', 'anything', true],
    ['[ipv6:2001:db8::1]', '[IPv6:2001:db8::1]', true],
  ])('%s on %s: %s', (pattern, name, expected) => {
    expect(nameMatcher(pattern)(name)).toBe(expected)
  })
})

describe('patterns of text', () => {
  it.each([
    ['bulk', 'Bulk', true],
    ['bulk', 'bulky', false],
    ['*', '', true],
    ['a*b*c', 'aXbYc', true],
    ['a*b*c', 'abc', true],
    ['a*b*c', 'ac', false],
    ['ab*ba', 'aba', false],
    ['*<list.*>', 'My list <list.example.org>', true],
    ['**x**', 'axb', true],
  ])('%s on %s: %s', (pattern, text, expected) => {
    expect(textMatcher(pattern)(text)).toBe(expected)
  })

  it('take time linear to the text, whatever the stars', () => {
    const text = 'a'.repeat(100_000)
    const began = performance.now()
    expect(textMatcher(`${'a*'.repeat(90)}b`)(text)).toBe(false)
    expect(performance.now() - began).toBeLessThan(1000)
  })
})

describe('patterns of addresses', () => {
  it.each([
    ['anna@example.org', 'anna@example.org', true],
    ['anna@example.org', 'ben@example.org', false],
    ['example.org', 'ben@example.org', true],
    ['example.org', 'ben@sub.example.org', false],
    ['*.example.org', 'ben@sub.example.org', true],
    ['bounce-*@*.example.org', 'bounce-123@news.example.org', true],
    ['bounce-*@*.example.org', 'info@news.example.org', false],
    ['"a@b"@example.org', '"a@b"@example.org', true],
    ['<>', '', true],
    ['<>', 'anna@example.org', false],
    ['*', '', true],
    ['*@*', '', false],
  ])('%s on %s: %s', (pattern, address, expected) => {
    expect(addressMatcher(pattern)(address)).toBe(expected)
  })

  it('in a list, one is enough', () => {
    expect(anyOf(['a.test', '*.b.test'], nameMatcher)('x.b.test')).toBe(true)
    expect(anyOf(['a.test', '*.b.test'], nameMatcher)('b.test')).toBe(false)
  })
})
