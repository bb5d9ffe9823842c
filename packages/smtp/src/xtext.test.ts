import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decodeXtext, encodeXtext, formatOrcpt, parseOrcpt } from './xtext.ts'

const printable = fc.string({
  unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
  maxLength: 60,
})

it('R-dsn-pass: xtext encodes every printable text and decodes to the same', () => {
  fc.assert(
    fc.property(printable, (text) => {
      expect(encodeXtext(text)).toMatch(/^[\x21-\x7e]*$/)
      expect(decodeXtext(encodeXtext(text))).toBe(text)
    }),
  )
  expect(encodeXtext('a+b=c d')).toBe('a+2Bb+3Dc+20d')
})

it('R-dsn-pass: xtext that would break a line or is none is refused', () => {
  for (const text of ['a+0D+0ARCPT', 'a+00', 'a+FF', 'a b', 'a=b', 'a+', 'a+G0']) expect(decodeXtext(text)).toBeNull()
})

it('R-dsn-pass: ORCPT is decoded and encoded for the next host', () => {
  expect(parseOrcpt('RFC822;bob+2Btag@example.org')).toBe('rfc822;bob+tag@example.org')
  expect(formatOrcpt('rfc822;bob+tag@example.org')).toBe('rfc822;bob+2Btag@example.org')
  expect(parseOrcpt('utf-8;m\\x{FC}ller@example.org')).toBe('utf-8;müller@example.org')
  expect(parseOrcpt('utf-8;müller@example.org')).toBe('utf-8;müller@example.org')
  expect(formatOrcpt('utf-8;müller@example.org')).toBe('utf-8;m\\x{FC}ller@example.org')
  expect(formatOrcpt('rfc822;müller@example.org')).toBe('utf-8;m\\x{FC}ller@example.org')
})

it('R-dsn-pass: an ORCPT that breaks the grammar is refused', () => {
  const wrong = [
    '',
    'rfc822',
    'rfc822;',
    ';a@b',
    'rf c;a',
    'utf-8;a\\x{0A}b',
    'utf-8;a\\x{110000}',
    `rfc822;${'a'.repeat(500)}`,
    'rfc822;a\r\nb',
  ]
  for (const text of wrong) expect(parseOrcpt(text)).toBeNull()
})

it('R-dsn-pass: every UTF-8 ORCPT survives its way through a command', () => {
  const wide = fc.string({ unit: fc.constantFrom('a', '+', '=', '\\', 'ü', '用', '😀', ' ', '@'), minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(wide, (address) => {
      expect(formatOrcpt(`utf-8;${address}`)).toMatch(/^[\x21-\x7e]*$/)
      expect(parseOrcpt(formatOrcpt(`utf-8;${address}`))).toBe(`utf-8;${address}`)
    }),
  )
})
