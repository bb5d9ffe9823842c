/** IP networks as people write them (`10.0.0.0/8`, `2001:db8::/32`, one address), and whether an address lies in one of them. */
import { BlockList, isIP, SocketAddress } from 'node:net'

export type Network = { ip: string; prefix: number; family: 'ipv4' | 'ipv6' }

/** @returns null for what is no network; an address alone is a network of one */
export const parseNetwork = (text: string): Network | null => {
  const [ip = '', bits] = text.split('/')
  const version = isIP(ip)
  const most = version === 4 ? 32 : 128
  const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN
  return version !== 0 && prefix <= most ? { ip, prefix, family: version === 4 ? 'ipv4' : 'ipv6' } : null
}

/** `::ffff:192.0.2.1`, as a dual-stack socket has it → `192.0.2.1`; a zone (`%eth0`) is dropped. */
export const plainIp = (ip: string): string => {
  const bare = ip.replace(/%.*$/, '')
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1]
  return mapped ?? bare
}

/** One spelling for each address, whoever wrote it: `2001:DB8:0::1` → `2001:db8::1`. @returns null for what is no address */
export const canonicalIp = (text: string): string | null => {
  const version = isIP(text)
  if (version !== 6) return version === 4 ? text : null
  return text.includes('%') ? null : plainIp(new SocketAddress({ address: text, family: 'ipv6' }).address)
}

/** @returns whether an IP lies in one of the networks; text that is no IP never does, and what is no network holds none */
export const createNetworks = (networks: readonly string[]): ((ip: string) => boolean) => {
  const list = new BlockList()
  for (const text of networks) {
    const found = parseNetwork(text)
    if (found !== null) list.addSubnet(found.ip, found.prefix, found.family)
  }
  return (ip) => {
    const plain = plainIp(ip)
    const version = isIP(plain)
    return version !== 0 && list.check(plain, version === 4 ? 'ipv4' : 'ipv6')
  }
}

/** Whoever has one address of an IPv6 network has them all: its first 64 bits; an IPv4 address as it is. @param ip as `plainIp` says */
export const homeNetwork = (ip: string): string => {
  if (!ip.includes(':')) return ip
  const [head = [], tail] = ip.split('::').map((part) => (part === '' ? [] : part.split(':')))
  const missing = tail === undefined ? 0 : 8 - head.length - tail.length
  return [...head, ...Array<string>(missing).fill('0'), ...(tail ?? [])].slice(0, 4).join(':')
}
