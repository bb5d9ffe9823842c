import { expect, it } from 'vitest'
import { canonicalIp, homeNetwork } from './networks.ts'

it.each([
  ['192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8:1:2::6', '2001:db8:1:2'],
  ['2001:db8::6', '2001:db8:0:0'],
  ['2001:db8:0:0:ffff::', '2001:db8:0:0'],
  ['::1', '0:0:0:0'],
  ['::', '0:0:0:0'],
])('%s lies in the network %s', (ip, network) => {
  expect(homeNetwork(canonicalIp(ip) ?? '')).toBe(network)
})
