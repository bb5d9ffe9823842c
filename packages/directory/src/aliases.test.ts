import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AliasDomain, createExpand } from './aliases.ts'

const domain = (more: Partial<AliasDomain> = {}): AliasDomain => ({
  name: 'own.test',
  recipients: 'listed',
  aliases: {},
  catchAll: null,
  tag: '+',
  postmaster: null,
  ...more,
})
const own = (...addresses: string[]) => ({ kind: 'own', addresses })
const ask = (domains: AliasDomain[], accounts: string[], address: string) => {
  const at = address.lastIndexOf('@')
  return createExpand(domains, accounts)({ local: address.slice(0, at), domain: address.slice(at + 1) })
}

describe('aliases', () => {
  const anna = 'anna@own.test'
  const table: [string, Partial<AliasDomain>, string, unknown][] = [
    ['an account is found in any case', {}, 'ANNA@own.test', own(anna)],
    ['a quoted local part is the same name', {}, '"anna"@own.test', own(anna)],
    ['an unknown name is unknown', {}, 'who@own.test', { kind: 'unknown' }],
    ['another domain is foreign', {}, 'anna@other.test', { kind: 'foreign' }],
    ['an alias leads here and elsewhere', { aliases: { Sales: [anna, 'b@x.test'] } }, 'sales@own.test', own(anna, 'b@x.test')],
    ['aliases lead through aliases', { aliases: { a: ['b@own.test'], b: [anna] } }, 'a@own.test', own(anna)],
    ['two ways to one address count once', { aliases: { a: ['b@own.test', anna], b: [anna] } }, 'a@own.test', own(anna)],
    ['a tag reaches the account', {}, 'anna+shop@own.test', own(anna)],
    ['a tag reaches the alias', { aliases: { sales: [anna] } }, 'sales+x+y@own.test', own(anna)],
    ['without tags a plus is part of the name', { tag: '' }, 'anna+shop@own.test', { kind: 'unknown' }],
    ['a tag alone is no name', {}, '+anna@own.test', { kind: 'unknown' }],
    ['the catch-all takes what does not exist', { catchAll: anna }, 'who@own.test', own(anna)],
    ['the catch-all does not take what exists', { catchAll: 'b@x.test' }, 'anna@own.test', own(anna)],
    ['a loop is told, not followed', { aliases: { a: ['b@own.test'], b: ['a@own.test'] } }, 'a@own.test', { kind: 'loop' }],
    ['an alias to itself is a loop', { aliases: { a: ['A@own.test'] } }, 'a@own.test', { kind: 'loop' }],
    ['an account may keep a copy', { aliases: { anna: [anna, 'b@x.test'] } }, 'anna@own.test', own(anna, 'b@x.test')],
    ['a catch-all that does not exist is a loop', { catchAll: 'gone@own.test' }, 'who@own.test', { kind: 'loop' }],
    ['with `any` the server behind gets the name as it stands', { recipients: 'any' }, 'Who+x@own.test', own('Who+x@own.test')],
    ['with `any` an alias still leads', { recipients: 'any', aliases: { a: [anna] } }, 'a@own.test', own(anna)],
  ]
  it.each(table)('R-alias: %s', (_what, more, address, expected) =>
    expect(ask([domain(more)], [anna], address)).toEqual(expected),
  )

  it('R-alias: chains longer than ten steps end as a loop', () => {
    const aliases = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`a${i}`, [`a${i + 1}@own.test`]]))
    expect(ask([domain({ aliases: { ...aliases, a40: [anna] } })], [anna], 'a0@own.test')).toEqual({ kind: 'loop' })
    expect(ask([domain({ aliases: { ...aliases, a9: [anna] } })], [anna], 'a0@own.test')).toEqual(own(anna))
  })

  it('R-alias: whatever the aliases are, every question ends', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd', 'e')
    const target = fc.oneof(
      name.map((one) => `${one}@own.test`),
      fc.constant('x@far.test'),
    )
    const aliases = fc.dictionary(name, fc.array(target, { minLength: 1, maxLength: 5 }))
    fc.assert(
      fc.property(aliases, name, (table, asked) => {
        const result = ask([domain({ aliases: table })], ['e@own.test'], `${asked}@own.test`)
        expect(['own', 'unknown', 'loop']).toContain(result.kind)
        if (result.kind === 'own') expect(result.addresses.every((one) => /^(e@own|x@far)\.test$/.test(one))).toBe(true)
      }),
    )
  })

  it.each(['a%b', '"a@far.test"', 'far.test!a', '@far.test:a'])(
    'R-relay: %s at an own domain is a local name and simply unknown, never relayed',
    (local) => expect(ask([domain()], [anna], `${local}@own.test`)).toEqual({ kind: 'unknown' }),
  )
})

describe('postmaster and its kin', () => {
  const anna = 'anna@own.test'
  it.each(['postmaster', 'Postmaster', 'POSTMASTER', 'abuse', 'Abuse', 'mailer-daemon', 'MAILER-DAEMON', 'postmaster+x'])(
    'R-postmaster: %s always has a target',
    (local) => {
      const address = `${local}@own.test`
      if (!local.includes('+')) {
        expect(ask([domain({ postmaster: 'pm@far.test' })], [anna], address)).toEqual(own('pm@far.test'))
        expect(ask([domain({ catchAll: 'all@far.test' })], [anna], address)).toEqual(own('all@far.test'))
        expect(ask([domain()], [anna], address)).toEqual(own(anna))
      } else expect(ask([domain()], [anna], address)).toEqual({ kind: 'unknown' })
    },
  )

  it('R-postmaster: one that is listed itself comes first', () => {
    const aliases = { abuse: ['team@far.test'] }
    expect(ask([domain({ aliases, postmaster: 'pm@far.test' })], [anna], 'ABUSE@own.test')).toEqual(own('team@far.test'))
  })

  it('R-postmaster: the postmaster may be an account of that very name', () => {
    const postmaster = 'postmaster@own.test'
    expect(ask([domain({ postmaster })], [postmaster], 'abuse@own.test')).toEqual(own(postmaster))
    expect(ask([domain({ postmaster })], [postmaster], 'Postmaster@own.test')).toEqual(own(postmaster))
  })

  it('R-postmaster: where the server behind knows its names, it knows this one too', () => {
    expect(ask([domain({ recipients: 'any' })], [], 'postmaster@own.test')).toEqual(own('postmaster@own.test'))
    expect(ask([domain({ recipients: 'any', postmaster: 'pm@far.test' })], [], 'abuse@own.test')).toEqual(own('pm@far.test'))
  })
})
