import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decodeWords, encodeWords, isSevenBit, quotedPrintable } from './encoding.ts'
import { toSevenBit } from './seven-bit.ts'

const decode = (text: string): Buffer =>
  Buffer.from(
    text.replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  )

it('R-8bit: quoted-printable keeps every byte, in lines of at most 76 characters', () => {
  const bytes = fc.array(fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(13, 10, 32, 61)), { maxLength: 400 })
  fc.assert(
    fc.property(bytes, (list) => {
      const encoded = quotedPrintable(Buffer.from(list))
      expect([...decode(encoded)]).toEqual(list)
      for (const line of encoded.split('\r\n')) expect(line).toMatch(/^(?:[\t\x20-\x7e]{0,75}[\x21-\x7e])?$/)
    }),
  )
})

it('R-8bit: seven bits means ASCII, CRLF only, lines up to 998', () => {
  expect(isSevenBit(Buffer.from(`${'a'.repeat(998)}\r\nb`))).toBe(true)
  for (const wrong of [`${'a'.repeat(999)}\r\n`, 'a\nb', 'a\rb', 'a\0', 'ü', 'a\r'])
    expect(isSevenBit(Buffer.from(wrong))).toBe(false)
})

it('R-report: subjects beyond ASCII become encoded words of at most 75 characters', () => {
  expect(encodeWords('plain')).toBe('plain')
  const words = encodeWords('Ä'.repeat(100)).split(' ')
  for (const word of words) expect(word.length).toBeLessThanOrEqual(75)
  const text = words.map((word) => Buffer.from(word.slice(10, -2), 'base64').toString()).join('')
  expect(text).toBe('Ä'.repeat(100))
})

it.each([
  ['plain = text', 'plain = text'],
  ['=?utf-8?Q?Gr=C3=BC=C3=9Fe_aus?= =?ISO-8859-1?B?IEv2bG4=?= heute', 'Grüße aus Köln heute'],
  ['=?no-such-set?Q?abc?=', '=?no-such-set?Q?abc?='],
  ['=?utf-8?Q?=FF?=', '\u{fffd}'],
  ['=?utf-8?X?abc?=', '=?utf-8?X?abc?='],
])('R-report: the subject %s is told as people read it', (value, expected) => {
  expect(decodeWords(value)).toBe(expected)
})

it('R-report: a subject of ours reads back the same', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 }), (text) => {
      const subject = `ä${text.replaceAll('=?', '').replaceAll('?=', '')}`
      expect(decodeWords(encodeWords(subject))).toBe(subject)
    }),
  )
})

const multipart = (...parts: string[]): Buffer =>
  Buffer.from(
    ['MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary="b"', 'Content-Transfer-Encoding: 8bit', '', 'preamble', '']
      .concat(parts.flatMap((part) => ['--b', part]))
      .concat('--b--', '')
      .join('\r\n'),
  )

it('R-8bit: only the 8-bit leaves are encoded, the rest stays', () => {
  const plain = 'Content-Type: text/html\r\n\r\n<p>plain</p>'
  const wide = 'Content-Type: text/plain; charset=utf-8\r\n\r\nGrüße'
  const binary = 'Content-Type: image/x-test\r\nContent-Transfer-Encoding: binary\r\n\r\nü\0'
  const converted = toSevenBit(multipart(plain, wide, binary))!.toString()
  expect(converted).toContain(`--b\r\n${plain}\r\n--b\r\n`)
  expect(converted).toContain(
    'Content-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGr=C3=BC=C3=9Fe\r\n--b',
  )
  expect(converted).toContain(
    `Content-Transfer-Encoding: base64\r\nContent-Type: image/x-test\r\n\r\n${Buffer.from('ü\0').toString('base64')}\r\n`,
  )
  expect(converted).not.toMatch(/8bit|binary/)
})

it('R-8bit: what cannot be converted without harm is left alone', () => {
  expect(toSevenBit(Buffer.from('Subject: Grüße\r\n\r\nx\r\n'))).toBeNull()
  expect(toSevenBit(Buffer.from('Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nü\r\n--b--\r\n'))).toBeNull()
  expect(toSevenBit(Buffer.from('Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nü\r\n'))).toBeNull()
  expect(toSevenBit(Buffer.from('Content-Transfer-Encoding: base64\r\n\r\nü\r\n'))).toBeNull()
})

it('R-8bit: a converted message is seven bits or nothing', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
      const converted = toSevenBit(multipart(`Content-Type: text/plain\r\n\r\n${a}`, b))
      if (converted !== null) expect(isSevenBit(converted)).toBe(true)
    }),
  )
})
