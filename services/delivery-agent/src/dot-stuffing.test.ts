import { describe, expect, it } from 'vitest'
import { createStuffer } from './dot-stuffing.ts'

const stuff = (...pieces: string[]): string => {
  const stuffer = createStuffer()
  const body = pieces.map((piece) => stuffer.push(Buffer.from(piece)).toString()).join('')
  return body + stuffer.end()
}

describe('dot-stuffing', () => {
  it.each([
    ['a line without dots', ['a\r\n'], 'a\r\n.\r\n'],
    ['a dot at the very start', ['.a\r\n'], '..a\r\n.\r\n'],
    ['a line that is a dot', ['a\r\n.\r\n'], 'a\r\n..\r\n.\r\n'],
    ['dots in a row', ['a\r\n..\r\n'], 'a\r\n...\r\n.\r\n'],
    ['a dot inside a line', ['a.b\r\n'], 'a.b\r\n.\r\n'],
    ['a dot first in the next piece', ['a\r\n', '.b\r\n'], 'a\r\n..b\r\n.\r\n'],
    ['a line end torn apart', ['a\r', '\n', '.', 'b\r\n'], 'a\r\n..b\r\n.\r\n'],
    ['a dot that continues a line', ['a', '.b\r\n'], 'a.b\r\n.\r\n'],
    ['no line end at the end', ['a'], 'a\r\n.\r\n'],
    ['nothing at all', [''], '.\r\n'],
  ])('R-dots: %s', (_, pieces, expected) => {
    expect(stuff(...pieces)).toBe(expected)
  })

  it('R-dots: any way of cutting the content gives the same bytes', () => {
    const content = '.a\r\n..\r\n.\r\nb.\r\n\r\n.c'
    const whole = stuff(content)
    for (let i = 0; i <= content.length; i++) {
      for (let j = i; j <= content.length; j++) {
        expect(stuff(content.slice(0, i), content.slice(i, j), content.slice(j))).toBe(whole)
      }
    }
  })

  it('R-dots: a megabyte of lines of dots takes linear time', () => {
    const time = (bytes: number): number => {
      const piece = Buffer.from('.\r\n'.repeat(bytes / 3))
      const started = process.cpuUsage().user
      createStuffer().push(piece)
      return process.cpuUsage().user - started
    }
    time(300_000)
    expect(time(9_000_000)).toBeLessThan(2_000_000)
  })
})
