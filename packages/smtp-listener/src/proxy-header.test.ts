import { describe, expect, it } from 'vitest'
import { isProxyHeader, type ProxyHeader, readProxyHeader } from './proxy-header.ts'

const SIGNATURE = '0d0a0d0a000d0a515549540a'
const v2 = (hex: string): Buffer => Buffer.from(SIGNATURE + hex.replaceAll(' ', ''), 'hex')
const v1 = (line: string): Buffer => Buffer.from(line, 'latin1')
const header = (source: string | null, data: Buffer): ProxyHeader => ({ kind: 'header', source, length: data.length })

const IP4 = 'c0000207 c6336401 dc04 0019'
const IP6 = '20010db8000000000000000000000007 20010db8000000000000000000000001 dc04 0019'

const GOOD: [string, Buffer, string | null][] = [
  ['TCP4', v1('PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n'), '192.0.2.7'],
  ['TCP6, spelled at length', v1('PROXY TCP6 2001:DB8:0:0::7 2001:db8::1 56324 25\r\n'), '2001:db8::7'],
  [
    'TCP6 with the longest addresses',
    v1(`PROXY TCP6 ${'ffff:'.repeat(7)}ffff ${'ffff:'.repeat(7)}ffff 65535 65535\r\n`),
    `${'ffff:'.repeat(7)}ffff`,
  ],
  ['TCP6 with an IPv4 in it', v1('PROXY TCP6 ::ffff:c000:207 ::1 1 25\r\n'), '192.0.2.7'],
  ['UNKNOWN', v1('PROXY UNKNOWN\r\n'), null],
  ['UNKNOWN with addresses, to be ignored', v1('PROXY UNKNOWN 192.0.2.7 198.51.100.1 56324 25\r\n'), null],
  ['version 2, IPv4', v2(`21 11 000c ${IP4}`), '192.0.2.7'],
  ['version 2, IPv4, with TLVs behind', v2(`21 11 0013 ${IP4} ea0004 01020304`), '192.0.2.7'],
  ['version 2, IPv6', v2(`21 21 0024 ${IP6}`), '2001:db8::7'],
  ['version 2, IPv6 with an IPv4 in it', v2(`21 21 0024 00000000000000000000ffffc0000207${'0'.repeat(40)}`), '192.0.2.7'],
  ['version 2, UNIX', v2(`21 31 00d8 ${'2f'.repeat(216)}`), null],
  ['version 2, UNSPEC', v2('21 00 0000'), null],
  ['version 2, UNSPEC with what nobody knows', v2('21 00 0003 010203'), null],
  ['version 2, LOCAL', v2('20 00 0000'), null],
  ['version 2, LOCAL with addresses, to be ignored', v2(`20 11 000c ${IP4}`), null],
]

const BROKEN: [string, Buffer, RegExp][] = [
  ['another protocol', v1('EHLO client.test\r\n'), /missing/],
  ['a TLS handshake', Buffer.from('160301', 'hex'), /missing/],
  ['lower case', v1('proxy TCP4 192.0.2.7 198.51.100.1 56324 25\r\n'), /missing/],
  ['no protocol', v1('PROXY \r\n'), /protocol/],
  ['another family', v1('PROXY UDP4 192.0.2.7 198.51.100.1 56324 25\r\n'), /protocol/],
  ['an IPv6 address as TCP4', v1('PROXY TCP4 2001:db8::7 198.51.100.1 56324 25\r\n'), /addresses/],
  ['a name for an address', v1('PROXY TCP4 localhost 198.51.100.1 56324 25\r\n'), /addresses/],
  ['an address with a zone', v1('PROXY TCP6 fe80::1%eth0 ::1 56324 25\r\n'), /addresses/],
  ['no target', v1('PROXY TCP4 192.0.2.7\r\n'), /addresses/],
  ['a port too high', v1('PROXY TCP4 192.0.2.7 198.51.100.1 65536 25\r\n'), /ports/],
  ['one port', v1('PROXY TCP4 192.0.2.7 198.51.100.1 25\r\n'), /ports/],
  ['a word too many', v1('PROXY TCP4 192.0.2.7 198.51.100.1 56324 25 x\r\n'), /ports/],
  ['two spaces', v1('PROXY TCP4  192.0.2.7 198.51.100.1 56324 25\r\n'), /addresses/],
  ['a bare line feed', v1('PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\n'), /CRLF/],
  ['a line without end', v1(`PROXY UNKNOWN ${'x'.repeat(93)}`), /107/],
  ['a line of 108 bytes', v1(`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`), /107/],
  ['version 1 in binary', v2(`11 11 000c ${IP4}`), /version/],
  ['an unknown command', v2(`22 11 000c ${IP4}`), /command/],
  ['a datagram', v2(`21 12 000c ${IP4}`), /family/],
  ['addresses cut short', v2('21 11 0008 c0000207c6336401'), /short/],
  ['IPv6 in the space of IPv4', v2(`21 21 000c ${IP4}`), /short/],
  ['more than 16 KiB', v2('21 11 ffff'), /bytes/],
]

describe('a PROXY header', () => {
  it.each(GOOD)('%s is read, whole or byte by byte, and what follows it is left alone', (_, data, source) => {
    expect(readProxyHeader(Buffer.concat([data, Buffer.from('EHLO')]))).toEqual(header(source, data))
    for (let length = 0; length < data.length; length++)
      expect(readProxyHeader(data.subarray(0, length)), String(length)).toEqual({ kind: 'more' })
    expect(readProxyHeader(data)).toEqual(header(source, data))
    expect(isProxyHeader(data)).toBe(true)
  })

  it.each(BROKEN)('with %s is broken', (_, data, why) => {
    expect(readProxyHeader(data)).toEqual({ kind: 'broken', why: expect.stringMatching(why) })
  })

  it('is not taken for what begins like one', () => {
    for (const text of ['', 'P', 'PROX', 'PROXYING\r\n', '\r\n', '\r\n\r\n']) expect(isProxyHeader(v1(text)), text).toBe(false)
  })
})
