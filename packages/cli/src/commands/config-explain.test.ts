import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDirectory, loadConfig } from '@sluice/directory'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCli } from '../run-cli.ts'

const CONFIG = `
hostname: mx.sluice.test
listeners: [{ name: smtp, listen: 127.0.0.1:2525 }]
routes:
  - { name: internet, type: mx, match: ["*"], rate: 100/min }
  - { name: inside, type: smtp, match: ["*.inside.test"], hosts: ["mail.inside.test:25"] }
classes:
  - { name: bulk, share: 1, match: { header: { name: Precedence, pattern: bulk } } }
policies:
  - { match: { site: "*.google.com" }, connections: 8, rate: 10/s, messagesPerConnection: 50 }
  - { match: { class: bulk }, rate: 10/min, schedule: internet }
replyRules:
  - { name: greylisting, off: true }
  - { name: mine, match: { text: busy }, pause: 5m }
`

let folder: string
let file: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-cli-'))
  file = join(folder, 'sluice.yaml')
  await writeFile(file, CONFIG)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const sluice = async (...argv: string[]): Promise<{ code: number; out: string; err: string }> => {
  const [out, err]: string[][] = [[], []]
  const code = await runCli(argv, { out: (text) => void out?.push(text), err: (text) => void err?.push(text), env: {} })
  return { code, out: out?.join('') ?? '', err: err?.join('') ?? '' }
}

describe('config explain', () => {
  it('tells route, class, policies and what comes of them', async () => {
    const { code, out } = await sluice('config', 'explain', 'gmail.com/bulk', '--config', file, '--site', 'aspmx.l.google.com')
    expect(code).toBe(0)
    for (const line of [
      /^destination +gmail\.com\/bulk$/m,
      /^route +internet, type mx$/m,
      /^class +bulk$/m,
      /^policies +policies\[0\], policies\[1\]$/m,
      /^connections +8, of 8 to the whole site$/m,
      /^rate +10\/min; whole site: 10\/s$/m,
      /^messages per connection +50$/m,
      /^schedule +internet: \d+ retries within 5 d$/m,
      /^share +1$/m,
    ])
      expect(out).toMatch(line)
  })

  it('finds the destination of an address, a domain, a literal and a route', async () => {
    const told = async (typed: string) => JSON.parse((await sluice('config', 'explain', typed, '--config', file, '--json')).out)
    expect(await told('anna@a.inside.test')).toMatchObject({
      destination: 'inside',
      route: 'inside',
      class: 'default',
      policies: [],
    })
    expect(await told('a.inside.test/notices')).toMatchObject({ destination: 'inside/notices' })
    expect(await told('Anna@Example.ORG')).toMatchObject({ destination: 'example.org', route: 'internet' })
    expect(await told('[IPv6:2001:db8::1]')).toMatchObject({ destination: '[IPv6_2001_db8__1]' })
    expect(await told('inside')).toMatchObject({ destination: 'inside', shaping: { connections: 20 } })
    expect((await sluice('config', 'explain', 'gmail.com', '--config', file)).out).toMatch(/^site +not given/m)
  })

  it('says when nothing takes the mail', async () => {
    expect(await sluice('config', 'explain', 'anna@far.example')).toEqual({
      code: 3,
      out: '',
      err: 'no route takes mail for anna@far.example\n',
    })
  })
})

describe('config check', () => {
  it('shows what came of it', async () => {
    const { code, out } = await sluice('config', 'check', file, '--show')
    expect(code).toBe(0)
    expect(out).toMatch(/^internet +mx +\* +20 +100\/min +classic +opportunistic$/m)
    expect(out).toMatch(/^bulk +1$/m)
    expect(out).toMatch(/^policies\[1\] +class bulk +rate 10\/min, schedule internet$/m)
    expect(out).toMatch(/^REPLY RULE.*\nmine +text busy +pause 5 min\n/m)
    expect(out).toContain('google-user-rate')
    expect(out).not.toMatch(/^greylisting /m)
    expect(out).toMatch(/sluice\.yaml is right\n$/)
  })
})

describe('password hash', () => {
  const hash = (input: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> =>
    new Promise((resolve) => {
      const bin = join(import.meta.dirname, '..', '..', '..', '..', 'bin', 'sluice')
      const child = execFile(bin, ['password', 'hash', ...args], (error, out, err) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
      )
      child.stdin?.end(input)
    })

  it('prints what passwordHash takes, without the last line break', async () => {
    const { code, out } = await hash('correct horse\n')
    expect(code).toBe(0)
    expect(out).toMatch(/^\$scrypt\$ln=14,r=8,p=1\$\S+\$\S+\n$/)
    const config = `domains: [{ name: a.b, route: local }]\naccounts: [{ address: x@a.b, passwordHash: "${out.trim()}" }]\n`
    const place = join(folder, 'account.yaml')
    await writeFile(place, config)
    const directory = createDirectory(await loadConfig(place, {}))
    expect(await directory.authenticate('x@a.b', 'correct horse')).toBe('x@a.b')
    expect(await directory.authenticate('x@a.b', 'correct horse\n')).toBeNull()
  }, 30_000)

  it('wants one', async () => {
    expect(await hash('')).toMatchObject({ code: 2, err: expect.stringContaining('expected a password on standard input') })
  }, 30_000)
})
