import { describe, expect, it } from 'vitest'
import { faultOfPattern, MOST_TEXT, replyPattern } from './reply-pattern.ts'

describe('patterns of replies', () => {
  it.each([
    'rate ?limit',
    'too many (concurrent |open )?(connections|sessions)',
    '\\[TSS?\\d\\d\\]',
    'from .* deferred .* complaints',
    '[a-z0-9.-]+ is busy',
    'a{2,5}b',
    'x[(|)*+]y',
    '\\(G2\\)\\*',
  ])('take %s', (pattern) => {
    expect(faultOfPattern(pattern)).toBeNull()
  })

  it.each([
    ['(a+)+b', 'no repetition of a group'],
    ['(a|aa)*b', 'no repetition of a group'],
    ['(?:x){2,}', 'no repetition of a group'],
    ['.*a.*b.*c', 'fewer repetitions'],
    [`${'a?'.repeat(30)}${'a'.repeat(30)}`, 'fewer repetitions'],
    [`${'(a|b)'.repeat(30)}c`, 'fewer repetitions'],
    ['a{0,500}a{0,500}a{0,500}b', 'fewer repetitions'],
    ['(a)\\1', 'no back references'],
    ['(?=a)b', 'no look-around'],
    ['(?<!a)b', 'no look-around'],
    ['(unclosed', 'Invalid regular expression'],
    ['x'.repeat(301), 'at most 300 characters'],
  ])('refuse %s', (pattern, fault) => {
    expect(faultOfPattern(pattern)).toContain(fault)
    expect(() => replyPattern(pattern)).toThrow()
  })

  it('look at a bounded part of a text, and end in bounded time on the worst one', () => {
    expect(replyPattern('end$')(`${'a'.repeat(MOST_TEXT)}end`)).toBe(false)
    const worst = replyPattern('a*a*b')
    const began = performance.now()
    expect(worst('a'.repeat(100_000))).toBe(false)
    expect(performance.now() - began).toBeLessThan(2000)
  })

  it('are without case', () => {
    expect(replyPattern('Too MANY')('too many connections')).toBe(true)
  })
})
