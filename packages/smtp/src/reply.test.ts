import fc from 'fast-check'
import { expect, it } from 'vitest'
import { formatReply, parseReply, replyText } from './reply.ts'

it.each([
  [['250 ok'], { code: 250, text: ['ok'] }],
  [['250'], { code: 250, text: [''] }],
  [['550 5.1.1 no such user'], { code: 550, enhanced: '5.1.1', text: ['no such user'] }],
  [['550-5.1.1 no', '550 5.1.1 such user'], { code: 550, enhanced: '5.1.1', text: ['no', 'such user'] }],
  [['550-5.1.1 no', '550 such user\r\n'], { code: 550, enhanced: '5.1.1', text: ['no', 'such user'] }],
  [['550 5.1.1'], { code: 550, enhanced: '5.1.1', text: [''] }],
  [['550 4.1.1 odd'], { code: 550, text: ['4.1.1 odd'] }],
  [['250 2.0.0x'], { code: 250, text: ['2.0.0x'] }],
])('R-outcome: %j is understood', (lines, reply) => {
  expect(parseReply(lines)).toEqual(reply)
})

it.each([
  [[]],
  [['']],
  [['ok']],
  [['25 ok']],
  [['2500 ok']],
  [['190 ok']],
  [['690 ok']],
  [['250-ok']],
  [['250 ok', '250 ok']],
  [['250-ok', '550 no']],
  [['HTTP/1.1 400 Bad Request']],
])('R-outcome: %j is no reply, so nothing is guessed', (lines) => {
  expect(parseReply(lines)).toBeNull()
})

it('R-outcome: what formatReply writes, parseReply reads', () => {
  const word = fc.stringMatching(/^[a-z][a-z ]{0,20}[a-z]$/)
  const reply = fc.record({
    code: fc.constantFrom(250, 451, 550),
    detail: fc.option(fc.tuple(fc.nat(99), fc.nat(99)), { nil: undefined }),
    text: fc.array(word, { minLength: 1, maxLength: 4 }),
  })
  fc.assert(
    fc.property(reply, ({ code, detail, text }) => {
      const enhanced = detail === undefined ? {} : { enhanced: `${String(code)[0]}.${detail[0]}.${detail[1]}` }
      expect(parseReply(formatReply({ code, ...enhanced, text }))).toEqual({ code, ...enhanced, text })
    }),
  )
})

it('no text can add a line to a reply', () => {
  expect(formatReply({ code: 250, text: ['a\r\n550 b'] })).toEqual(['250 a 550 b'])
  expect(replyText({ code: 550, enhanced: '5.1.1', text: ['no', 'such\nuser'] })).toBe('550 5.1.1 no such user')
})

it('a reply without end stays in bounds on one line', () => {
  const long = replyText({ code: 550, text: Array.from({ length: 500 }, () => 'no '.repeat(30)) })
  expect(long).toMatch(/^550 no no .* \.\.\.$/)
  expect(long.length).toBeLessThan(2100)
})
