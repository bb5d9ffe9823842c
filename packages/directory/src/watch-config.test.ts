import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, type Fields, type Log } from '@sluice/runtime'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createLiveDirectory } from './live-directory.ts'
import { loadConfig } from './load-config.ts'
import { hashPassword } from './passwords.ts'
import { type LiveConfig, watchConfig } from './watch-config.ts'

const BASE = `
hostname: mx.sluice.test
listeners: [{ name: smtp, listen: 127.0.0.1:2525 }]
`
const routed = (host: string, more = ''): string =>
  `${BASE}routes: [{ name: far, match: ["*"], type: smtp, hosts: ["${host}:25"] }]\n${more}`

type Line = { level: string; text: string; fields: Fields }

const keptLog = (lines: Line[]): Log => {
  const keep =
    (level: string) =>
    (text: string, fields: Fields = {}): void =>
      void lines.push({ level, text, fields })
  const log: Log = {
    ...createLogger({ level: 'error', service: 'test' }),
    info: keep('info'),
    warn: keep('warn'),
    error: keep('error'),
    child: () => log,
  }
  return log
}

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean()
})

const WAIT = { timeout: 10_000, interval: 20 }

/** Watches a file in a folder of its own. */
const watched = async (text: string, prepare?: (folder: string) => Promise<string>) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-watch-'))
  cleanups.push(() => rm(folder, { recursive: true, force: true }))
  const file = prepare === undefined ? join(folder, 'sluice.yaml') : await prepare(folder)
  if (prepare === undefined) await writeFile(file, text)
  const lines: Line[] = []
  let loads = 0
  const load = () => {
    loads++
    return loadConfig(file, {}, { dataDir: folder })
  }
  const source = { file, load }
  const live: LiveConfig = watchConfig({ config: await load(), source, log: keptLog(lines), everyMs: 50 })
  cleanups.push(() => live.stop())
  return { live, file, folder, lines, loads: () => loads, hostNow: () => live.config.routes[0]?.hosts[0]?.host }
}

describe('a watched config', () => {
  it('applies what may change while it runs', async () => {
    const { live, file, lines, hostNow } = await watched(routed('one.test'))
    const directory = createLiveDirectory(live)
    const before = live.version()
    expect(directory.routeOf('far')?.hosts[0]?.host).toBe('one.test')
    await writeFile(file, routed('two.test', 'trustedNetworks: [192.0.2.0/24]\nspooler: { rate: 5/s }\n'))
    await vi.waitFor(() => expect(hostNow()).toBe('two.test'), WAIT)
    expect(live.version()).not.toBe(before)
    expect(live.config.spooler.rate).toEqual({ count: 5, perMs: 1000 })
    expect(directory.routeOf('far')?.hosts[0]?.host).toBe('two.test')
    expect(directory.isTrusted('192.0.2.9')).toBe(true)
    expect(lines).toEqual([
      {
        level: 'info',
        text: 'the config has changed and applies now',
        fields: { keys: 'routes, spooler, trustedNetworks' },
      },
    ])
  })

  it('keeps the last good one when the file is wrong, says so once with its line, and goes on when it is mended', async () => {
    const { file, lines, live, hostNow } = await watched(routed('one.test'))
    expect(live.isRefused()).toBe(false)
    await writeFile(file, routed('two.test', 'policies:\n  - { conections: 1 }\n'))
    await vi.waitFor(() => expect(lines).toHaveLength(1), WAIT)
    expect(lines[0]?.text).toBe('the changed config cannot be used; the last good one stays in force')
    expect(lines[0]?.fields.problems).toMatch(/sluice\.yaml:6: policies\[0\]\.conections: this key is unknown/)
    await writeFile(file, 'routes: [')
    await vi.waitFor(() => expect(lines).toHaveLength(2), WAIT)
    expect(lines[1]?.fields.problems).toMatch(/sluice\.yaml:1: expected YAML/)
    expect(hostNow()).toBe('one.test')
    expect(live.isRefused()).toBe(true)
    await writeFile(file, routed('three.test'))
    await vi.waitFor(() => expect(hostNow()).toBe('three.test'), WAIT)
    expect(live.isRefused()).toBe(false)
    expect(lines.map(({ level }) => level)).toEqual(['error', 'error', 'info'])
  })

  it('takes neither an empty file nor a missing one for a config', async () => {
    const { file, lines, live, hostNow } = await watched(routed('one.test'))
    await writeFile(file, '')
    await vi.waitFor(() => expect(lines[0]?.fields.problems).toMatch(/:1: expected a config; the file is empty/), WAIT)
    await rm(file)
    await vi.waitFor(() => expect(lines[1]?.fields.problems).toMatch(/expected a readable file/), WAIT)
    expect(hostNow()).toBe('one.test')
    expect(lines).toHaveLength(2)
    // Back to the config that is in force: nothing applies, and nothing is refused any more.
    await writeFile(file, routed('one.test'))
    await vi.waitFor(() => expect(live.isRefused()).toBe(false), WAIT)
    expect(lines).toHaveLength(2)
  })

  it('names the keys that need a restart, and leaves them as they run', async () => {
    const { live, file, lines } = await watched(routed('one.test'))
    await writeFile(file, routed('one.test', 'limits: { size: 1MiB }\nshutdownGrace: 5s\n'))
    await vi.waitFor(() => expect(lines).toHaveLength(1), WAIT)
    expect(lines[0]).toEqual({
      level: 'warn',
      text: 'these keys of the config have changed and apply after a restart',
      fields: { keys: 'limits.sizeBytes, shutdownGraceMs' },
    })
    expect(live.config.limits.sizeBytes).toBe(25 * 2 ** 20)
  })

  it('says nothing, and reads nothing anew, while the content stays', async () => {
    const { file, lines, loads, hostNow } = await watched(routed('one.test'))
    await vi.waitFor(() => expect(loads()).toBe(2), WAIT)
    for (let i = 0; i < 5; i++) {
      await writeFile(`${file}.new`, routed('one.test'))
      await rename(`${file}.new`, file)
    }
    await writeFile(`${file}.new`, routed('two.test'))
    await rename(`${file}.new`, file)
    await vi.waitFor(() => expect(hostNow()).toBe('two.test'), WAIT)
    expect(loads()).toBe(3)
    expect(lines).toHaveLength(1)
  })

  it('follows the swapped symlinks of a ConfigMap', async () => {
    const { folder, hostNow } = await watched('', async (volume) => {
      await mkdir(join(volume, '..2026_01'))
      await writeFile(join(volume, '..2026_01', 'sluice.yaml'), routed('one.test'))
      await symlink('..2026_01', join(volume, '..data'))
      await symlink(join('..data', 'sluice.yaml'), join(volume, 'sluice.yaml'))
      return join(volume, 'sluice.yaml')
    })
    expect(hostNow()).toBe('one.test')
    await mkdir(join(folder, '..2026_02'))
    await writeFile(join(folder, '..2026_02', 'sluice.yaml'), routed('two.test'))
    await symlink('..2026_02', join(folder, '..data_tmp'))
    await rename(join(folder, '..data_tmp'), join(folder, '..data'))
    await rm(join(folder, '..2026_01'), { recursive: true })
    await vi.waitFor(() => expect(hostNow()).toBe('two.test'), WAIT)
  })

  it('of several files in a folder is followed by all of them, those that come and go, too', async () => {
    const { folder, hostNow, live, lines } = await watched('', async (volume) => {
      await mkdir(join(volume, '..2026_01'))
      await writeFile(join(volume, '..2026_01', '10-base.yaml'), BASE)
      await writeFile(join(volume, '..2026_01', '20-routes.yaml'), routed('one.test').replace(BASE, ''))
      await writeFile(join(volume, '..2026_01', 'notes.txt'), 'routes: [')
      await symlink('..2026_01', join(volume, '..data'))
      for (const name of ['10-base.yaml', '20-routes.yaml', '30-policies.yaml'])
        await symlink(join('..data', name), join(volume, name)).catch(() => {})
      await rm(join(volume, '30-policies.yaml'))
      return volume
    })
    expect(hostNow()).toBe('one.test')
    await mkdir(join(folder, '..2026_02'))
    await writeFile(join(folder, '..2026_02', '10-base.yaml'), BASE)
    await writeFile(join(folder, '..2026_02', '20-routes.yaml'), routed('two.test').replace(BASE, ''))
    await writeFile(join(folder, '..2026_02', '30-policies.yaml'), 'policies: [{ connections: 3 }]\n')
    await symlink(join('..data', '30-policies.yaml'), join(folder, '30-policies.yaml'))
    await symlink('..2026_02', join(folder, '..data_tmp'))
    await rename(join(folder, '..data_tmp'), join(folder, '..data'))
    await vi.waitFor(() => expect([hostNow(), live.config.policies.length]).toEqual(['two.test', 1]), WAIT)
    await rm(join(folder, '30-policies.yaml'))
    await vi.waitFor(() => expect(live.config.policies).toEqual([]), WAIT)
    await writeFile(join(folder, '40-more.yaml'), 'hostname: other.test\n')
    await vi.waitFor(() => expect(lines.at(-1)?.fields.problems).toMatch(/40-more\.yaml:1: hostname: expected in one file/), WAIT)
    expect(hostNow()).toBe('two.test')
  })

  it('reads a secret again when its file has changed, and takes a config whose secret came late', async () => {
    const secured = (name: string): string =>
      `${BASE}domains: [{ name: own.test, route: local }]\naccounts: [{ address: anna@own.test, passwordFile: ${name} }]\n`
    const { file, folder, live, lines } = await watched('', async (at) => {
      await writeFile(join(at, 'first'), 'one\n')
      await writeFile(join(at, 'sluice.yaml'), secured('first'))
      return join(at, 'sluice.yaml')
    })
    const password = () => live.config.accounts[0]?.password
    expect(password()).toBe('one')
    await writeFile(join(folder, 'first'), 'two\n')
    await vi.waitFor(() => expect(password()).toBe('two'), WAIT)
    await writeFile(file, secured('second'))
    await vi.waitFor(() => expect(lines.at(-1)?.fields.problems).toMatch(/expected a file that can be read/), WAIT)
    const told = lines.length
    await writeFile(join(folder, 'second'), 'three\n')
    await vi.waitFor(() => expect(password()).toBe('three'), WAIT)
    expect(lines.slice(told).map(({ level }) => level)).toEqual(['info'])
  })

  it('warns of what the new one brings, once', async () => {
    const { file, lines } = await watched(routed('one.test'))
    await writeFile(file, routed('one.test', 'trustedNetworks: ["0.0.0.0/0"]\n'))
    await vi.waitFor(() => expect(lines).toHaveLength(2), WAIT)
    expect(lines[0]).toMatchObject({ level: 'warn', text: expect.stringContaining('open relay') })
  })

  it('sends local mail to where the mailbox listens now, whatever the file says of its next start', async () => {
    const local = (port: number, rate: string) =>
      `${BASE}mailbox: { listen: "127.0.0.1:${port}" }\nroutes: [{ name: local, type: local, rate: ${rate} }]\n`
    const { live, file, lines } = await watched(local(2424, '1/s'))
    await writeFile(file, local(2499, '2/s'))
    await vi.waitFor(() => expect(live.config.routes[0]?.rate?.count).toBe(2), WAIT)
    expect(live.config.routes[0]?.hosts[0]?.port).toBe(2424)
    expect(lines[0]?.fields.keys).toBe('mailbox.listen')
  })

  it('lets accounts and domains come and go', async () => {
    const withAccount = (name: string, hash: string) =>
      `${BASE}domains: [{ name: own.test, route: local }]\naccounts: [{ address: ${name}@own.test, passwordHash: "${hash}" }]\n`
    const hash = await hashPassword('secret')
    const { live, file } = await watched(withAccount('anna', hash))
    const directory = createLiveDirectory(live)
    expect(await directory.authenticate('anna@own.test', 'secret')).toBe('anna@own.test')
    await writeFile(file, withAccount('ben', hash))
    await vi.waitFor(() => expect(directory.accountExists('ben@own.test')).toBe(true), WAIT)
    expect(await directory.authenticate('anna@own.test', 'secret')).toBeNull()
    expect(await directory.authenticate('ben@own.test', 'secret')).toBe('ben@own.test')
  })
})
