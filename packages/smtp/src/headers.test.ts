import fc from 'fast-check'
import { expect, it } from 'vitest'
import { formatDate, formatHeader, quoteComment, quoteHeaderValue } from './header-text.ts'
import { countReceived, findHeaderEnd, firstHeader, hasEightBit, headerFields, removeHeaders, splitContent } from './headers.ts'

const message = Buffer.from(
  [
    'Received: from a',
    '\tby b',
    'Received: from c',
    'Subject: two',
    '  lines',
    'BCC : hidden@example.org,',
    ' more@example.org',
    'not a field',
    'To: bob@example.org',
    '',
    'Received: in the body',
    '',
  ].join('\r\n'),
)

it('R-trace-headers: fields are unfolded, named in lower case and end at the blank line', () => {
  const fields = [...headerFields(message)]
  expect(fields.map((field) => field.name)).toEqual(['received', 'received', 'subject', 'bcc', '', 'to'])
  expect(firstHeader(message, 'SUBJECT')).toBe('two  lines')
  expect(firstHeader(message, 'date')).toBeNull()
  expect(message.subarray(fields[3]!.start, fields[3]!.end).toString()).toBe('BCC : hidden@example.org,\r\n more@example.org\r\n')
})

it('R-limits: Received is counted in the header only', () => {
  expect(countReceived(message)).toBe(2)
})

it('R-trace-headers: Bcc goes with its folded lines, and not a byte else', () => {
  const removed = removeHeaders(message, ['Bcc'])
  expect(removed.toString()).toBe(message.toString().replace('BCC : hidden@example.org,\r\n more@example.org\r\n', ''))
  expect(removeHeaders(message, ['x-none'])).toBe(message)
})

it('R-trace-headers: removing keeps every other field as it was, whatever the header holds', () => {
  const field = fc.tuple(fc.constantFrom('Bcc', 'To', 'X-A', 'bcc'), fc.stringMatching(/^[ -~]{0,30}$/))
  fc.assert(
    fc.property(fc.array(field, { maxLength: 20 }), (fields) => {
      const write = (list: [string, string][]): string => list.map(([name, value]) => `${name}: ${value}\r\n`).join('')
      const header = Buffer.from(`${write(fields)}\r\n`)
      const rest = fields.filter(([name]) => name.toLowerCase() !== 'bcc')
      expect(removeHeaders(header, ['bcc']).toString()).toBe(`${write(rest)}\r\n`)
    }),
  )
})

it('the end of the header is found wherever the pieces are cut', () => {
  const whole = findHeaderEnd(message)
  expect(message.subarray(whole).toString()).toBe('Received: in the body\r\n')
  for (let cut = 1; cut < message.length; cut++) {
    const early = findHeaderEnd(message.subarray(0, cut))
    expect(early).toBe(cut >= whole ? whole : -1)
    expect(findHeaderEnd(message, early === -1 ? cut : 0)).toBe(whole)
  }
  expect(findHeaderEnd(Buffer.from('\r\nbody'))).toBe(2)
  expect(splitContent(Buffer.from('A: b\r\n')).body.length).toBe(0)
})

it('headers of hostile shape cost linear time', () => {
  const many = Buffer.from(`${'a:b\r\n'.repeat(200_000)}\r\n`)
  const folded = Buffer.from(`a:b\r\n${' \r\n'.repeat(400_000)}\r\n`)
  const started = performance.now()
  expect(removeHeaders(many, ['a']).toString()).toBe('\r\n')
  expect([...headerFields(folded)].length).toBe(1)
  expect(findHeaderEnd(Buffer.alloc(5_000_000, '\r'))).toBe(-1)
  expect(performance.now() - started).toBeLessThan(2000)
})

it('a byte beyond ASCII is seen', () => {
  expect(hasEightBit(Buffer.from('plain'))).toBe(false)
  expect(hasEightBit(Buffer.from('plaın'))).toBe(true)
})

it('dates are RFC 5322 in UTC', () => {
  expect(formatDate(Date.UTC(2026, 10, 2, 3, 4, 5))).toBe('Mon, 2 Nov 2026 03:04:05 +0000')
})

it('text from outside adds no line, no field and no comment', () => {
  expect(quoteHeaderValue('evil\r\nBcc: x\0\u{2028}ü')).toBe('evil Bcc: x ?')
  expect(quoteComment('a) (b\\')).toBe('a\\) \\(b\\\\')
  const value = fc.string({ unit: 'binary', maxLength: 3000 })
  fc.assert(
    fc.property(value, (text) => {
      const written = Buffer.from(formatHeader('X-Test', text))
      expect([...headerFields(Buffer.concat([written, Buffer.from('\r\n')]))].length).toBe(1)
      for (const line of written.toString().split('\r\n')) expect(Buffer.byteLength(line)).toBeLessThanOrEqual(998)
    }),
  )
})

it('long fields are folded at spaces and read back the same', () => {
  const value = 'word '.repeat(60).trim()
  const written = formatHeader('X-Long', value)
  expect(Math.max(...written.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(78)
  expect(firstHeader(Buffer.from(written), 'x-long')).toBe(value)
  const huge = formatHeader('X-Huge', 'ü'.repeat(2000))
  expect(Math.max(...huge.split('\r\n').map((line) => Buffer.byteLength(line)))).toBeLessThanOrEqual(998)
})
