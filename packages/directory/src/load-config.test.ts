import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ConfigError, type Problem } from '@sluice/runtime'
import { describe, expect, it } from 'vitest'
import { createDirectory } from './directory.ts'
import { loadConfig } from './load-config.ts'
import { loadText, withFile } from './test-config.ts'

const problemsOf = async (text: string): Promise<Problem[]> => {
  try {
    await loadText(text)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  throw new Error('expected a ConfigError')
}

const ROUTE = 'routes: [{ name: out, type: smtp, hosts: ["h:25"], match: ["*"] }]\n'

describe('a config with errors names file, line, key and what was expected', () => {
  const table: [string, string, number, string, RegExp][] = [
    ['an unknown key', 'hostname: a.b\nlsteners: []\n', 2, 'lsteners', /unknown; expected one of hostname, redis/],
    ['an unknown key deep down', `http:\n  ports:\n    ingres: 1\n`, 3, 'http.ports.ingres', /expected one of ingress, spooler/],
    ['a duration without unit', 'limits:\n  idle: 5\n', 2, 'limits.idle', /expected a duration with its unit/],
    ['a size with a wrong unit', 'limits: { size: 25MX }\n', 1, 'limits.size', /expected a size/],
    ['a rate without period', `spooler: { rate: 100 }\n`, 1, 'spooler.rate', /expected a rate/],
    ['a number where text belongs', 'hostname: 5\n', 1, 'hostname', /expected text, not 5/],
    ['a list where a section belongs', 'limits: [1]\n', 1, 'limits', /expected keys and values/],
    [
      'a choice that does not exist',
      'log: { level: loud }\n',
      1,
      'log.level',
      /expected one of debug, info, warn, error, not "loud"/,
    ],
    ['a key that is missing', 'listeners:\n  - name: smtp\n', 2, 'listeners[0].listen', /expected/],
    ['a port out of range', 'http: { ports: { ingress: 70000 } }\n', 1, 'http.ports.ingress', /at most 65535/],
    ['a network that is none', 'trustedNetworks: [10.0.0.0/33]\n', 1, 'trustedNetworks[0]', /expected an IP network/],
    ['a domain that is none', 'domains: [{ name: "a b" }]\n', 1, 'domains[0].name', /expected a domain/],
    ['a dot in a route name', 'routes: [{ name: a.b, type: mx }]\n', 1, 'routes[0].name', /without dots/],
    ['too few recipients', 'limits: { recipients: 5 }\n', 1, 'limits.recipients', /at least 100/],
    [
      'a catch-all as alias',
      `${ROUTE}domains:\n  - name: a.b\n    aliases: { "*": x@a.b }\n`,
      4,
      'domains[0].aliases.*',
      /catchAll/,
    ],
    ['a host without port', 'routes: [{ name: r, type: smtp, hosts: [h] }]\n', 1, 'routes[0].hosts[0]', /expected host:port/],
    [
      'an unknown key of a host',
      'routes: [{ name: r, type: smtp, hosts: [{ host: h, prt: 1 }] }]\n',
      1,
      'routes[0].hosts[0].prt',
      /host, port, weight/,
    ],
    [
      'a route that does not exist',
      `${ROUTE}domains:\n  - name: a.b\n    route: gone\n`,
      4,
      'domains[0].route',
      /name of a route, not gone; defined are out/,
    ],
    ['a domain without route', 'domains: [{ name: a.b, recipients: any }]\n', 1, 'domains[0]', /expected a route for a.b/],
    [
      'a domain twice',
      `${ROUTE}domains:\n  - { name: a.b, recipients: any }\n  - { name: A.b, recipients: any }\n`,
      4,
      'domains[1].name',
      /once/,
    ],
    ['a route with a name of the spool', 'routes: [{ name: delivery, type: mx }]\n', 1, 'routes[0].name', /another name/],
    ['a route twice', 'routes:\n  - { name: r, type: mx }\n  - { name: r, type: mx }\n', 3, 'routes[1].name', /each route once/],
    [
      'a pattern twice',
      'routes:\n  - { name: r, type: mx, match: ["*"] }\n  - { name: s, type: mx, match: ["*"] }\n',
      3,
      'routes[1].match[0]',
      /once/,
    ],
    ['hosts missing', 'routes: [{ name: r, type: lmtp }]\n', 1, 'routes[0]', /expected hosts/],
    ['hosts of an MX route', 'routes: [{ name: r, type: mx, hosts: ["h:25"] }]\n', 1, 'routes[0].hosts', /asks the DNS/],
    ['an account of a foreign domain', 'accounts: [{ address: a@far.test }]\n', 1, 'accounts[0].address', /far.test is none/],
    ['a schedule that does not exist', 'schedule: eager\n', 1, 'schedule', /expected one of classic, internet/],
    ['a built-in schedule redefined', 'schedules: { classic: { delays: [1h] } }\n', 1, 'schedules.classic', /built in/],
    ['AUTH without TLS', 'listeners: [{ name: s, listen: 25, auth: required }]\n', 1, 'listeners[0].auth', /only under TLS/],
    [
      'a certificate that is not there',
      'listeners: [{ name: s, listen: 25, tls: { certFile: no.crt, keyFile: no.key } }]\n',
      1,
      'listeners[0].tls.certFile',
      /can be read/,
    ],
    [
      'a catch-all nobody has',
      `${ROUTE}domains:\n  - name: a.b\n    catchAll: gone@a.b\n    postmaster: p@far.test\n`,
      4,
      'domains[0].catchAll',
      /gone@a.b does not/,
    ],
    [
      'an alias nobody has',
      `${ROUTE}domains:\n  - name: a.b\n    aliases: { x: gone@a.b }\n    postmaster: p@far.test\n`,
      4,
      'domains[0].aliases.x',
      /does not/,
    ],
    [
      'an account twice, once in quotes',
      `${ROUTE}domains: [{ name: a.b, route: local }]\naccounts:\n  - { address: x@a.b }\n  - { address: '"X"@a.b' }\n`,
      5,
      'accounts[1].address',
      /each account once/,
    ],
    [
      'two listeners at one address',
      'listeners:\n  - { name: a, listen: 127.0.0.1:25 }\n  - { name: b, listen: 127.0.0.1:25 }\n',
      3,
      'listeners[1].listen',
      /each address once/,
    ],
    [
      'aliases in a circle',
      `${ROUTE}domains:\n  - name: a.b\n    aliases: { x: y@a.b, y: x@a.b }\n    postmaster: p@far.test\n`,
      4,
      'domains[0].aliases.x',
      /leads back/,
    ],
  ]
  it.each(table)('%s', async (_what, text, line, key, message) => {
    const [first] = await problemsOf(text)
    expect(first).toMatchObject({
      key,
      line,
      message: expect.stringMatching(message),
      file: expect.stringMatching(/sluice\.yaml$/),
    })
  })

  it('R-postmaster: a domain where nobody could be postmaster is refused', async () => {
    const problems = await problemsOf(`${ROUTE}domains: [{ name: a.b, recipients: listed }]\n`)
    expect(problems[0]?.message).toContain('expected postmaster')
  })

  it('all problems are told at once, in the order of the file', async () => {
    expect((await problemsOf('log: { level: x }\nhostname: 1\nnope: 1\n')).map(({ line }) => line)).toEqual([1, 2, 3])
  })

  it('bad YAML and missing variables name their line', async () => {
    expect(await problemsOf('a: 1\nb: [\n')).toMatchObject([{ line: expect.any(Number) }])
    expect(await problemsOf(`log:\n  level: $\{SLUICE_LEVEL}\n`)).toMatchObject([
      { line: 2, message: expect.stringContaining('SLUICE_LEVEL') },
    ])
  })

  it('a file that is not there', async () => {
    await expect(loadConfig('/nowhere/sluice.yaml', {})).rejects.toThrow('/nowhere/sluice.yaml: expected a readable file')
  })
})

describe('a good config', () => {
  it('secrets are read from files beside it, without their last line break', async () => {
    const text = `
redis: { url: "redis://r:6379", passwordFile: redis.pw }
domains: [{ name: a.b, route: local }]
accounts: [{ address: x@a.b, passwordFile: x.pw }]
routes: [{ name: up, type: smtp, hosts: ["h:25"], tls: verified, auth: { user: u, passwordFile: up.pw } }]
`
    await withFile(text, async (file, folder) => {
      for (const name of ['redis', 'x', 'up']) await writeFile(join(folder, `${name}.pw`), `secret-${name}\n`)
      const config = await loadConfig(file, {}, { dataDir: '/data' })
      expect(config.redis.password).toBe('secret-redis')
      expect(config.accounts[0]?.password).toBe('secret-x')
      expect(config.routes[0]?.auth).toEqual({ user: 'u', password: 'secret-up' })
      expect([config.content.directory, config.mailbox.directory]).toEqual(['/data/content', '/data/mail'])
    })
  })

  it('R-classic: classic is the default everywhere; routes and the whole may choose another', async () => {
    const text = `routes: [{ name: a, type: mx }, { name: b, type: mx, schedule: gentle }]\nschedules: { gentle: { delays: [15m, 1h], jitter: 10% } }\n`
    const { routes, schedule } = await loadText(text)
    expect([schedule.name, routes[0]?.schedule.name]).toEqual(['classic', 'classic'])
    expect(routes[1]?.schedule).toEqual({ name: 'gentle', delaysMs: [900_000, 3_600_000], jitter: 0.1 })
    expect((await loadText('schedule: internet\nroutes: [{ name: a, type: mx }]\n')).routes[0]?.schedule.name).toBe('internet')
  })

  it('R-banner: a hostname that is no full domain name is a warning', async () => {
    const listeners = 'listeners: [{ name: in, listen: 2525 }]\n'
    expect((await loadText(`hostname: box\n${listeners}`)).warnings).toEqual([expect.stringContaining('no full domain name')])
    expect((await loadText(`hostname: mx.own.test\n${listeners}`)).warnings).toEqual([])
  })

  it.each(['0.0.0.0/0', '0.0.0.0/1', '::/0', '2000::/3', '::ffff:0:0/96'])(
    'R-relay: the open relay is said out loud, also as %s',
    async (network) => {
      expect((await loadText(`hostname: a.b\ntrustedNetworks: ["${network}"]\n`)).warnings.join()).toContain('open relay')
    },
  )

  it('R-relay: private networks are no reason to warn', async () => {
    const text =
      'hostname: a.b\nlisteners: [{ name: in, listen: 2525 }]\ntrustedNetworks: [10.0.0.0/8, "fc00::/7", "fe80::/10", "2001:db8::/32", "::1", "::ffff:10.0.0.0/104"]\n'
    expect((await loadText(text)).warnings).toEqual([])
  })

  it('a route that leads back to a listener is a warning', async () => {
    const text = (host: string) =>
      `hostname: a.b\nlisteners: [{ name: in, listen: 2525 }]\nroutes: [{ name: up, type: smtp, hosts: ["${host}"] }]\n`
    expect((await loadText(text('127.0.0.1:2525'))).warnings).toEqual([
      expect.stringContaining('up leads back to the listener in'),
    ])
    expect((await loadText(text('127.0.0.1:2526'))).warnings).toEqual([])
  })
})

describe('the configs we ship', () => {
  const folder = fileURLToPath(new URL('../../../examples/', import.meta.url))

  it('R-relay: the built-in one takes mail for its own account and relays for nobody', async () => {
    const config = await loadConfig(null, {})
    const directory = createDirectory(config)
    const at = (local: string, domain: string) => directory.resolve({ local, domain, text: `${local}@${domain}` }).kind
    expect([at('me', 'sluice.test'), at('who', 'sluice.test'), at('a', 'far.test')]).toEqual(['own', 'unknown', 'foreign'])
    expect(directory.isTrusted('127.0.0.1')).toBe(false)
    expect(config.warnings).toEqual([])
    expect(config.listeners.every(({ listen }) => listen.host === '127.0.0.1' && listen.port > 1024)).toBe(true)
  })

  it('R-relay: every example loads, and trusts loopback at most', async () => {
    const files = (await readdir(folder)).filter((name) => name.endsWith('.yaml'))
    expect(files).toEqual(expect.arrayContaining(['gateway.yaml', 'outbound.yaml', 'relay.yaml']))
    for (const name of files) {
      const config = await loadConfig(join(folder, name), { SLUICE_SMARTHOST: '10.0.0.9:2500' })
      const { isTrusted } = createDirectory(config)
      for (const ip of ['10.0.0.1', '192.168.1.1', '198.51.100.1', '2001:db8::1', '::ffff:10.0.0.1'])
        expect(isTrusted(ip)).toBe(false)
      expect(config.warnings).toEqual([])
    }
  })

  it('relay.yaml takes listener and smarthost from the environment, and says so when the smarthost is missing', async () => {
    const file = join(folder, 'relay.yaml')
    const config = await loadConfig(file, { SLUICE_LISTEN: '127.0.0.1:3025', SLUICE_SMARTHOST: '10.0.0.9:2500' })
    expect(config.listeners[0]?.listen).toEqual({ host: '127.0.0.1', port: 3025 })
    expect(createDirectory(config).routeOf('smarthost')?.hosts).toEqual([{ host: '10.0.0.9', port: 2500, weight: 1 }])
    await expect(loadConfig(file, {})).rejects.toThrow('environment variable SLUICE_SMARTHOST')
  })

  it('outbound.yaml uses MX and the internet schedule', async () => {
    const config = await loadConfig(join(folder, 'outbound.yaml'), {})
    expect(config.routes.map(({ type, schedule }) => [type, schedule.name])).toEqual([
      ['mx', 'internet'],
      ['mx', 'internet'],
    ])
    expect(config.resolver.servers).toEqual([])
  })
})

describe('a folder of files', () => {
  const inFolder = async (files: Record<string, string>) => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-folder-'))
    try {
      for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
      return await loadConfig(folder, {})
    } finally {
      await rm(folder, { recursive: true })
    }
  }

  it('is one config: lists in the order of the names, so that later policies win', async () => {
    const config = await inFolder({
      '20-policies.yml': 'policies: [{ connections: 2 }]\n',
      '10-base.yaml': `hostname: mx.sluice.test\n${ROUTE}policies: [{ connections: 1 }]\naccounts: [{ address: a@own.test, passwordFile: secret }]\n`,
      '30-domains.yaml': 'domains: [{ name: own.test, route: local }]\n',
      '.hidden.yaml': 'routes: [',
      secret: 'sesame\n',
    })
    expect(config.policies.map(({ connections }) => connections)).toEqual([1, 2])
    expect(config.accounts[0]?.password).toBe('sesame')
    expect(config.domains.map(({ name }) => name)).toEqual(['own.test'])
  })

  it('names the file of each problem, in the order of the files', async () => {
    const problems = await inFolder({
      'b.yaml': '\nrotes: []\n',
      'a.yaml': `${ROUTE}domains:\n  - { name: own.test, route: nowhere }\nlimits: { size: 5x }\n`,
    }).catch((error: ConfigError) => error.problems)
    if (!Array.isArray(problems)) throw new Error('expected problems')
    expect(problems.map(({ file, line, key }) => [file.split('/').at(-1), line, key])).toEqual([
      ['a.yaml', 4, 'limits.size'],
      ['b.yaml', 2, 'rotes'],
    ])
    const empty = await inFolder({ 'readme.txt': '' }).catch((error: ConfigError) => error.message)
    expect(empty).toMatch(/expected a folder with \*\.yaml files/)
  })
})
