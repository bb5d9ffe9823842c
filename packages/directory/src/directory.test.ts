import { parseMailbox } from '@sluice/smtp'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Config } from './config.ts'
import { createDirectory, type Directory } from './directory.ts'
import { loadText } from './test-config.ts'

const TEXT = `
hostname: mx.own.test
trustedNetworks: [10.0.0.0/8, "2001:db8::/32", 192.0.2.7]
domains:
  - { name: own.test, route: local }
  - { name: behind.test, recipients: any }
  - { name: Bücher.test, route: backend, recipients: any }
accounts:
  - { address: anna@own.test }
routes:
  - { name: backend, type: smtp, match: [behind.test, "*.wild.test"], hosts: ["10.0.0.5:25"] }
  - { name: deep, type: lmtp, match: ["*.deep.wild.test"], hosts: [{ host: 10.0.0.6 }] }
  - { name: partner, type: mx, match: [partner.test], tls: verified }
  - { name: rest, type: mx, match: ["*"] }
`
const mailbox = (text: string) => parseMailbox(text, { utf8: true })!

describe('the directory', () => {
  let config: Config
  let directory: Directory
  beforeAll(async () => {
    config = await loadText(TEXT)
    directory = createDirectory(config, { ownAddresses: ['192.0.2.1', '2001:db8::1'] })
  })

  it.each([
    ['anna@own.test', 'local'],
    ['a@behind.test', 'backend'],
    ['a@xn--bcher-kva.test', 'backend'],
    ['a@x.wild.test', 'backend'],
    ['a@x.y.wild.test', 'backend'],
    ['a@x.deep.wild.test', 'deep'],
    ['a@deep.wild.test', 'backend'],
    ['a@wild.test', 'wild.test'],
    ['a@partner.test', 'partner.test'],
    ['a@elsewhere.example', 'elsewhere.example'],
    ['a@ai', 'ai.'],
    ['"a@b"@partner.test', 'partner.test'],
    ['a@[192.0.2.9]', '[192.0.2.9]'],
  ])('R-route: %s goes to %s, and the way back finds a route', (address, destination) => {
    expect(directory.destinationOf({ address })).toBe(destination)
    expect(directory.routeOf(destination)).not.toBeNull()
  })

  it('R-route: an exact domain wins over a wildcard, that over the default', () => {
    expect(directory.routeOf('partner.test')?.name).toBe('partner')
    expect(directory.routeOf('a.partner.test')?.name).toBe('rest')
    expect(directory.routeOf('deep')?.hosts).toEqual([{ host: '10.0.0.6', port: 24, weight: 1 }])
    expect(directory.routeOf('gone')).toBeNull()
  })

  it('R-route: without a matching route there is no destination', () => {
    const narrow = createDirectory({ ...config, routes: config.routes.filter(({ name }) => name !== 'rest') })
    expect(narrow.destinationOf({ address: 'a@elsewhere.example' })).toBeNull()
    expect(narrow.routeOf('elsewhere.example')).toBeNull()
  })

  it.each([
    ['10.1.2.3', true],
    ['::ffff:10.1.2.3', true],
    ['::FFFF:10.1.2.3', true],
    ['11.0.0.1', false],
    ['::ffff:11.0.0.1', false],
    ['2001:db8::5', true],
    ['2001:db9::5', false],
    ['192.0.2.7', true],
    ['192.0.2.8', false],
    ['127.0.0.1', false],
    ['::1', false],
    ['not an ip', false],
    ['', false],
  ])('R-relay: the client %s is trusted: %s', (ip, trusted) => expect(directory.isTrusted(ip)).toBe(trusted))

  it('R-relay: no default relays, not even for this machine', async () => {
    for (const text of ['{}', TEXT.replace(/trusted.*\n/, '')]) {
      const { isTrusted } = createDirectory(await loadText(text))
      for (const ip of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '10.0.0.1', '192.168.0.1']) expect(isTrusted(ip)).toBe(false)
    }
  })

  it.each(['a@far.test', 'a@[198.51.100.1]', 'a@[IPv6:2001:db8::99]', 'a@sub.own.test', 'a@own.test.far.test'])(
    'R-relay: %s is foreign',
    (address) => expect(directory.resolve(mailbox(address))).toEqual({ kind: 'foreign' }),
  )

  it.each([
    'b%far.test@own.test',
    'far.test!b@own.test',
    '"b@far.test"@own.test',
    'b%far.test@[192.0.2.1]',
    'b@[IPv6:2001:db8::1]',
  ])('R-relay: %s is a name of ours that does not exist', (address) =>
    expect(directory.resolve(mailbox(address))).toEqual({ kind: 'unknown' }),
  )

  it('R-postmaster: without a domain, and at a literal of this host, it is the first domain’s', () => {
    const anna = { address: 'anna@own.test' }
    expect(directory.resolve({ local: 'PostMaster', domain: '', text: 'PostMaster@' })).toEqual({
      kind: 'own',
      recipients: [{ ...anna, original: 'PostMaster' }],
    })
    expect(directory.resolve(mailbox('postmaster@[192.0.2.1]'))).toMatchObject({ kind: 'own', recipients: [anna] })
    expect(directory.isOwnDomain('[192.0.2.1]')).toBe(true)
    expect(directory.isOwnDomain('[198.51.100.1]')).toBe(false)
  })

  it('R-alias: the address named is kept where another gets the mail', () => {
    expect(directory.resolve(mailbox('Anna@own.test'))).toEqual({ kind: 'own', recipients: [{ address: 'anna@own.test' }] })
    expect(directory.resolve(mailbox('anna+x@own.test'))).toEqual({
      kind: 'own',
      recipients: [{ address: 'anna@own.test', original: 'anna+x@own.test' }],
    })
  })

  it('accounts are found in any case, and log in with their password only', async () => {
    const withPassword = createDirectory({
      ...config,
      accounts: [{ address: 'anna@own.test', quotaBytes: 5, password: 'geheim' }],
    })
    expect(await withPassword.authenticate('ANNA@own.test', 'geheim')).toBe('anna@own.test')
    expect(await withPassword.authenticate('anna@own.test', 'falsch')).toBeNull()
    expect(await withPassword.authenticate('ben@own.test', 'geheim')).toBeNull()
    expect(await directory.authenticate('anna@own.test', '')).toBeNull()
    expect(withPassword.account('Anna@OWN.test')?.quotaBytes).toBe(5)
    expect([directory.accountExists('anna@own.test'), directory.accountExists('ben@own.test')]).toEqual([true, false])
  })
})
