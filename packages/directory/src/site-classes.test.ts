import { describe, expect, it } from 'vitest'
import { configSchema } from './schema.ts'
import { createSiteClasses } from './site-classes.ts'

const routes = [
  { name: 'smarthost', type: 'smtp' as const },
  { name: 'net', type: 'mx' as const },
]
const shipped = configSchema.parse({}).metrics.sites

describe('the class of a site', () => {
  it.each([
    ['smarthost', 'smarthost'],
    ['gmail-smtp-in.l.google.com,alt1.gmail-smtp-in.l.google.com', 'google'],
    ['example-org.mail.protection.outlook.com', 'microsoft'],
    ['mta5.am0.yahoodns.net,+2', 'yahoo'],
    ['mx.example.org', 'other'],
    ['net', 'other'],
    ['google.com', 'other'],
    ['notgoogle.com.example.org', 'other'],
  ])('of %s is %s', (site, expected) => {
    expect(createSiteClasses(routes, shipped)(site)).toBe(expected)
  })

  it('is the first that fits, and never one that the config does not name', () => {
    const classOf = createSiteClasses([], { partner: ['*.partner.example'], everybody: ['*'] })
    expect(['mx.partner.example', 'x.test'].map(classOf)).toEqual(['partner', 'everybody'])
    expect(createSiteClasses([], {})('mx.partner.example')).toBe('other')
  })

  it('has a bounded number of names', () => {
    const many = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`s${i}`, ['*']]))
    expect(configSchema.safeParse({ metrics: { sites: many } }).success).toBe(false)
    expect(configSchema.safeParse({ metrics: { sites: { other: ['*'] } } }).success).toBe(false)
  })
})
