/**
 * The PROXY protocol, versions 1 and 2 (haproxy.org, doc/proxy-protocol.txt), as a pure reader: a load balancer says, before
 * anything else, whose connection it passes on. Whoever may say so is for the caller to know.
 *
 * - Strict: what departs from the format is broken, and a broken header is never guessed at.
 * - Bounded: version 1 has at most 107 bytes, version 2 at most 16 KiB with all its TLVs, which are skipped.
 * - A connection of the balancer's own (LOCAL), and one whose client is not told (UNKNOWN, UNSPEC, UNIX), have no source.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { canonicalIp } from '@sluice/runtime'

export type ProxyHeader =
  /** More bytes must come. */
  | { kind: 'more' }
  | { kind: 'broken'; why: string }
  /** `source`: the client's IP address, null when the header names none. `length`: what follows it is the client's. */
  | { kind: 'header'; source: string | null; length: number }

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const V1_START = Buffer.from('PROXY ')
const V1_MOST_BYTES = 107
const V2_FIXED_BYTES = 16
const V2_MOST_BYTES = 16 * 1024
const LF = 0x0a

const MORE: ProxyHeader = { kind: 'more' }
const broken = (why: string): ProxyHeader => ({ kind: 'broken', why })

const begins = (data: Buffer, start: Buffer): boolean => {
  const length = Math.min(data.length, start.length)
  return data.compare(start, 0, length, 0, length) === 0
}

const isPort = (text: string | undefined): boolean =>
  text !== undefined && /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) < 65_536

/** `PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n` (§2.1) */
const readV1 = (data: Buffer): ProxyHeader => {
  const end = data.indexOf(LF)
  if (end === -1 ? data.length >= V1_MOST_BYTES : end >= V1_MOST_BYTES) return broken('its line is longer than 107 bytes')
  if (end === -1) return MORE
  const line = data.toString('latin1', 0, end + 1)
  if (!line.endsWith('\r\n')) return broken('its line does not end with CRLF')
  const [, protocol, source = '', target = '', ...ports] = line.slice(0, -2).split(' ')
  const length = end + 1
  // The rest of such a line is to be ignored.
  if (protocol === 'UNKNOWN') return { kind: 'header', source: null, length }
  const isAddress = protocol === 'TCP4' ? isIPv4 : protocol === 'TCP6' ? isIPv6 : null
  if (isAddress === null) return broken('its protocol is none of TCP4, TCP6 and UNKNOWN')
  const ip = canonicalIp(source)
  if (ip === null || !isAddress(source) || !isAddress(target)) return broken(`its addresses are not two of ${protocol}`)
  return ports.length === 2 && ports.every(isPort)
    ? { kind: 'header', source: ip, length }
    : broken('its ports are not two ports')
}

/** Families and transports that may be named (§2.2), and how many bytes their addresses take. A datagram is no connection. */
const V2_FAMILIES = new Map([
  [0x00, { bytes: 0, ipBytes: 0 }],
  [0x11, { bytes: 12, ipBytes: 4 }],
  [0x21, { bytes: 36, ipBytes: 16 }],
  [0x31, { bytes: 216, ipBytes: 0 }],
])

const v2Source = (data: Buffer, ipBytes: number): string | null => {
  const ip = data.subarray(V2_FIXED_BYTES, V2_FIXED_BYTES + ipBytes)
  if (ipBytes === 4) return ip.join('.')
  return ipBytes === 0 ? null : canonicalIp(ip.toString('hex').replace(/(.{4})(?=.)/g, '$1:'))
}

const readV2 = (data: Buffer): ProxyHeader => {
  if (data.length < V2_FIXED_BYTES) return MORE
  const [version, command] = [data.readUInt8(12) >> 4, data.readUInt8(12) & 0x0f]
  if (version !== 2) return broken(`its version is ${version}`)
  if (command > 1) return broken(`its command is ${command}, neither LOCAL nor PROXY`)
  const length = V2_FIXED_BYTES + data.readUInt16BE(14)
  if (length > V2_MOST_BYTES) return broken(`it has ${length} bytes, more than ${V2_MOST_BYTES}`)
  // Of a connection of the balancer's own, everything but the length is to be ignored.
  const family = command === 0 ? { bytes: 0, ipBytes: 0 } : V2_FAMILIES.get(data.readUInt8(13))
  if (family === undefined) return broken(`its family is 0x${data.readUInt8(13).toString(16)}, not that of a connection`)
  if (length < V2_FIXED_BYTES + family.bytes) return broken('its addresses are cut short')
  return data.length < length ? MORE : { kind: 'header', source: v2Source(data, family.ipBytes), length }
}

/** @param data all that came so far, from the first byte */
export const readProxyHeader = (data: Buffer): ProxyHeader => {
  if (data.length === 0) return MORE
  if (begins(data, V1_START)) return data.length < V1_START.length ? MORE : readV1(data)
  if (begins(data, SIGNATURE)) return data.length < SIGNATURE.length ? MORE : readV2(data)
  return broken('it is missing')
}

/** Whether the first bytes of a connection are such a header, whole or cut short behind its first mark. */
export const isProxyHeader = (data: Buffer): boolean =>
  (data.length >= V1_START.length && begins(data, V1_START)) || (data.length >= SIGNATURE.length && begins(data, SIGNATURE))

/** Whether too little has come to say. */
export const mayBecomeProxyHeader = (data: Buffer): boolean =>
  (data.length < V1_START.length && begins(data, V1_START)) || (data.length < SIGNATURE.length && begins(data, SIGNATURE))
