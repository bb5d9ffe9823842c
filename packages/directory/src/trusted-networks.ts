/** Who may relay (R-relay): networks by address, IPv4-mapped IPv6 read as the IPv4 it is. */
import { BlockList, isIP } from 'node:net'
import { toNetwork } from './schema-parts.ts'

/** `::ffff:192.0.2.1` → `192.0.2.1`; a zone (`%eth0`) is dropped. */
export const plainIp = (ip: string): string => {
  const bare = ip.replace(/%.*$/, '')
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1]
  return mapped ?? bare
}

/** @returns whether an IP lies in one of the networks; text that is no IP never does */
export const createTrusted = (networks: string[]): ((ip: string) => boolean) => {
  const list = new BlockList()
  for (const text of networks) {
    const found = toNetwork(text)
    if (found !== null) list.addSubnet(found.ip, found.prefix, found.family)
  }
  return (ip) => {
    const plain = plainIp(ip)
    const version = isIP(plain)
    return version !== 0 && list.check(plain, version === 4 ? 'ipv4' : 'ipv6')
  }
}
