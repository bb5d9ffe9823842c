import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { accountFolder, encodeName } from './account-folder.ts'
import { createHeaderFilter } from './header-filter.ts'
import { createLineEnds } from './line-ends.ts'

const cut = (bytes: Buffer, sizes: number[]): Buffer[] => {
  const pieces: Buffer[] = []
  let at = 0
  for (const size of sizes) {
    pieces.push(bytes.subarray(at, at + size))
    at += size
  }
  return [...pieces, bytes.subarray(at)]
}

const run = (stage: { push: (piece: Buffer) => Buffer; end: () => Buffer }, pieces: Buffer[]): string =>
  Buffer.concat([...pieces.map((piece) => Buffer.from(stage.push(piece))), stage.end()]).toString('latin1')

describe('line ends', () => {
  it('CRLF becomes LF and a bare CR stays, however the bytes are cut', () => {
    const text = fc.array(fc.constantFrom('\r', '\n', 'a', '\r\n'), { maxLength: 30 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(text, fc.array(fc.integer({ min: 0, max: 5 })), (input, sizes) => {
        expect(run(createLineEnds(), cut(Buffer.from(input), sizes))).toBe(input.replaceAll('\r\n', '\n'))
      }),
    )
  })
})

describe('header filter', () => {
  const message = [
    'Return-Path: <old@example.org>',
    'Received: from a',
    ' by b',
    'Received: from c',
    'return-path: <folded',
    '\tonce>',
    'Delivered-To: anna@sluice.test',
    'Subject: Return-Path: stays',
    '',
    'Return-Path: <body@example.org>',
    'Delivered-To: body@example.org',
    '',
  ].join('\r\n')

  it('R-maildir: old Return-Path fields go, folded ones too, and the body stays, however the bytes are cut', () => {
    const wanted = message.replace(/^Return-Path: <old.*\r\n/, '').replace(/return-path: <folded\r\n\tonce>\r\n/, '')
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 40 })), (sizes) => {
        const filter = createHeaderFilter()
        expect(run(filter, cut(Buffer.from(message), sizes))).toBe(wanted)
        expect(filter.deliveredTo()).toEqual(['anna@sluice.test'])
        expect([filter.first('received'), filter.first('message-id')]).toEqual(['Received: from a\r\n by b\r\n', null])
      }),
    )
  })

  it('R-maildir: a Delivered-To that is folded again and again costs linear time, and the next one counts', () => {
    const filter = createHeaderFilter()
    const started = performance.now()
    filter.push(Buffer.from(`Delivered-To: a\r\n${' b\r\n'.repeat(300_000)}Delivered-To:\r\n anna@sluice.test\r\n`))
    expect(performance.now() - started).toBeLessThan(2000)
    expect(filter.deliveredTo().map((address) => address.length < 300)).toEqual([true, true])
    expect(filter.deliveredTo()[1]).toBe('anna@sluice.test')
  })

  it('keeps the beginning of a field that is folded again and again, in linear time', () => {
    const filter = createHeaderFilter()
    const started = performance.now()
    filter.push(Buffer.from(`Received: a\r\n${' b\r\n'.repeat(300_000)}Message-ID: <1@a.test>\r\n`))
    expect(performance.now() - started).toBeLessThan(2000)
    expect(filter.first('received')).toHaveLength(4096)
    expect(filter.first('message-id')).toBe('Message-ID: <1@a.test>\r\n')
  })

  it('passes a header without body, and a line without end', () => {
    expect(run(createHeaderFilter(), [Buffer.from('Subject: x\r\nReturn-Path: <a@b>')])).toBe('Subject: x\r\n')
    expect(run(createHeaderFilter(), [Buffer.alloc(200_000, 'x')])).toHaveLength(200_000)
  })
})

describe('account folders', () => {
  it.each([
    ['anna@sluice.test', 'sluice.test/anna'],
    ['Anna.B+tag@sluice.test', 'sluice.test/Anna.B+tag'],
    ['"../../etc"@sluice.test', 'sluice.test/%22..%2F..%2Fetc%22'],
    ['.hidden@[192.0.2.1]', '%5B192.0.2.1%5D/%2Ehidden'],
    ['"a@b"@sluice.test', 'sluice.test/%22a%40b%22'],
    ['jürgen@sluice.test', 'sluice.test/j%C3%BCrgen'],
    ['100%@sluice.test', 'sluice.test/100%25'],
  ])('R-maildir: %s lies in %s', (address, folder) => {
    expect(accountFolder('/mail', address)).toBe(`/mail/${folder}`)
  })

  it('R-maildir: two local parts never share a folder and none leads out', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), fc.string({ unit: 'binary', minLength: 1 }), (a, b) => {
        fc.pre(Buffer.from(a).compare(Buffer.from(b)) !== 0)
        expect(encodeName(a)).not.toBe(encodeName(b))
        expect(encodeName(a)).toMatch(/^[A-Za-z0-9_%][A-Za-z0-9_.+=%-]*$/)
      }),
    )
  })
})
