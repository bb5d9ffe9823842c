import { describe, expect, it } from 'vitest'
import { destinationName, domainOf, hopOfDomain, partsOf } from './destination.ts'
import { homeLane, laneOf } from './lanes.ts'

describe('destination names', () => {
  it.each([
    ['example.org', 'example.org'],
    ['ai', 'ai.'],
    ['[192.0.2.1]', '[192.0.2.1]'],
    ['[IPv6:2001:db8::1]', '[IPv6_2001_db8__1]'],
    ['[IPv6:::ffff:192.0.2.1]', '[IPv6___ffff_192.0.2.1]'],
  ])('writes the domain %s as the hop %s, and finds it again', (domain, hop) => {
    expect(hopOfDomain(domain)).toBe(hop)
    expect(hop).not.toContain(':')
    for (const cls of ['', 'bulk', 'notices']) {
      const name = destinationName(hop, cls)
      expect(partsOf(name)).toEqual({ hop, class: cls })
      expect(domainOf(name)).toBe(domain)
    }
  })

  it('gives the route’s name where the hop is one', () => {
    expect(domainOf('local')).toBe('local')
    expect(domainOf('smarthost/bulk')).toBe('smarthost')
  })
})

describe('lanes', () => {
  it('are the same for all classes of a hop, so that they are known before the class is', () => {
    for (const hop of ['example.org', '[IPv6_2001_db8__1]', 'local', 'a.test', 'b.test']) {
      expect(laneOf(`${hop}/bulk`, 16)).toBe(laneOf(hop, 16))
      expect(homeLane([hop, `${hop}/bulk`], 'ID', 16)).toBe(homeLane([hop], 'ID', 16))
    }
    expect(homeLane(['a.test', 'b.test/bulk'], 'ID', 16)).toBe(homeLane(['a.test', 'b.test'], 'ID', 16))
  })
})
