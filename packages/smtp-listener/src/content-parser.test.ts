/** The wire form of content, byte by byte and however it is cut. */
import { describe, expect, it } from 'vitest'
import { createContentParser } from './content-parser.ts'

type Result = { content: string; rest: string | null; broken: boolean }

/** Feeds in pieces of `size` bytes. */
const parse = (wire: string, size: number, lineFeeds: 'reject' | 'normalize' = 'reject'): Result => {
  const parser = createContentParser(lineFeeds)
  const bytes = Buffer.from(wire, 'latin1')
  let content = ''
  for (let at = 0; at < bytes.length; at += size) {
    const fed = parser.feed(Buffer.from(bytes.subarray(at, at + size)))
    content += fed.content.toString('latin1')
    if (fed.rest !== null) {
      const rest = fed.rest.toString('latin1') + bytes.subarray(at + size).toString('latin1')
      return { content, rest, broken: parser.isBroken() }
    }
  }
  return { content, rest: null, broken: parser.isBroken() }
}

const SIZES = [1, 2, 3, 4, 5, 7, 1000]

describe('content parser', () => {
  const whole: [string, string, string, string][] = [
    ['a message', 'a\r\nb\r\n.\r\n', 'a\r\nb\r\n', ''],
    ['an empty message', '.\r\n', '', ''],
    ['what follows the end', 'a\r\n.\r\nMAIL', 'a\r\n', 'MAIL'],
    ['a stuffed dot', '..a\r\n...\r\n.b\r\n.\r\n', '.a\r\n..\r\nb\r\n', ''],
    ['a line that is one dot', '..\r\n..\r\n.\r\n', '.\r\n.\r\n', ''],
    ['dots inside of lines', 'a.b.\r\n. \r\n.\r\n', 'a.b.\r\n \r\n', ''],
    ['8-bit bytes', '\xff\xfe\r\n.\r\n', '\xff\xfe\r\n', ''],
    ['a line of 998', `${'x'.repeat(998)}\r\n.\r\n`, `${'x'.repeat(998)}\r\n`, ''],
    ['control characters', '\x01\t\x0b\x0c\x7f\r\n.\r\n', '\x01\t\x0b\x0c\x7f\r\n', ''],
  ]
  it.each(whole)('R-dots: %s passes exactly, however it is cut', (_, wire, content, rest) => {
    for (const size of SIZES) expect(parse(wire, size)).toEqual({ content, rest, broken: false })
    for (const size of SIZES) expect(parse(wire, size, 'normalize')).toEqual({ content, rest, broken: false })
  })

  const smuggled = [
    '\n.\r\n',
    '\r\n.\n',
    '\n.\n',
    '\r.\r',
    '\r.\r\n',
    '\r\n.\r',
    '\r\n\x00.\r\n',
    '\n\n.\r\n',
    '\r\r\n.\r\n',
    '\r\n.\r\r\n',
  ]
  it.each(smuggled)('R-smuggle: %j breaks a content, and only CRLF.CRLF ends it', (ending) => {
    const wire = `a${ending}MAIL FROM:<x@y>\r\n.\r\n`
    for (const size of SIZES) {
      const { broken, rest } = parse(wire, size)
      expect(broken).toBe(true)
      // A true CRLF.CRLF may be part of the sequence: CR CRLF . CRLF.
      expect(rest === '' || rest === 'MAIL FROM:<x@y>\r\n.\r\n').toBe(true)
      expect(rest === '').toBe(!ending.endsWith('\r\n.\r\n'))
    }
  })

  it.each(smuggled)('R-smuggle: %j is made harmless when asked to', (ending) => {
    for (const size of SIZES) {
      const { content, rest } = parse(`a${ending}b\r\n.\r\n`, size, 'normalize')
      expect(rest).not.toBeNull()
      expect(content).not.toMatch(/\0|\r(?!\n)|(?<!\r)\n/)
    }
  })

  it('R-dots: lines of dots cost linear time', () => {
    const lines = Buffer.from('..\r\n'.repeat(1024 * 1024))
    const before = performance.now()
    const { content } = createContentParser('reject').feed(lines)
    expect(performance.now() - before).toBeLessThan(500)
    expect(content.length).toBe(3 * 1024 * 1024)
  })
})
