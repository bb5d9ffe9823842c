/** Which addresses the mail of strangers may be sent to (R-mx): not to this machine, this network, or nobody's. */
import { BlockList, isIP } from 'node:net'

const V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
]
const V6 = ['::/128', '::1/128', 'fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8']

const createBlocked = (): BlockList => {
  const list = new BlockList()
  for (const [ranges, family] of [
    [V4, 'ipv4'],
    [V6, 'ipv6'],
  ] as const) {
    for (const range of ranges) {
      const [net = '', prefix] = range.split('/')
      list.addSubnet(net, Number(prefix), family)
    }
  }
  return list
}

/** The IPv4 address inside an IPv4-mapped, NAT64 or 6to4 one, which leads to the same host. */
const embedded = (address: string): string | null => {
  const dotted = /^(?:::ffff:|64:ff9b::)(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (dotted !== undefined) return dotted
  const hex = /^(?:(?:::ffff|64:ff9b:):([0-9a-f]{1,4}):([0-9a-f]{1,4})|2002:([0-9a-f]{1,4}):([0-9a-f]{1,4}):.*)$/i.exec(address)
  if (hex === null) return null
  const high = Number.parseInt(hex[1] ?? hex[3] ?? '0', 16)
  const low = Number.parseInt(hex[2] ?? hex[4] ?? '0', 16)
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}

/** @returns a predicate: loopback, private, link-local, multicast, reserved; anything that is no IP address too */
export const createIsPrivate = (): ((address: string) => boolean) => {
  const blocked = createBlocked()
  return (address) => {
    const family = isIP(address)
    if (family === 0) return true
    if (family === 4) return blocked.check(address, 'ipv4')
    const inner = embedded(address)
    return blocked.check(address, 'ipv6') || (inner !== null && blocked.check(inner, 'ipv4'))
  }
}

/** `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 §4.1.3) to the bare address; null for anything else. */
export const literalAddress = (domain: string): string | null => {
  const inner = /^\[(?:ipv6:)?([^\]]+)\]$/i.exec(domain)?.[1]
  return inner !== undefined && isIP(inner) !== 0 ? inner : null
}
