import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { COMMANDS } from './commands.ts'
import { runCli } from './run-cli.ts'

type Said = { code: number; out: string; err: string }

const sluiceWith = async (env: NodeJS.ProcessEnv, ...argv: string[]): Promise<Said> => {
  const out: string[] = []
  const err: string[] = []
  const code = await runCli(argv, { out: (text) => void out.push(text), err: (text) => void err.push(text), env })
  return { code, out: out.join(''), err: err.join('') }
}
const sluice = (...argv: string[]): Promise<Said> => sluiceWith({}, ...argv)

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-cli-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('the command line', () => {
  it('lists its commands, and each has a help text with its usage', async () => {
    const { code, out } = await sluice('--help')
    expect(code).toBe(0)
    for (const { name, summary } of COMMANDS) {
      expect(out).toContain(summary)
      const help = await sluice(...name.split(' '), '--help')
      expect(help).toMatchObject({ code: 0, out: expect.stringContaining(`Usage: sluice ${name}`), err: '' })
    }
  })

  it('in a container checks and explains the config of its service without being told where it is', async () => {
    const place = join(folder, 'config')
    await mkdir(place)
    await writeFile(join(place, '10-base.yaml'), 'hostname: mx.sluice.test\nlisteners: [{ name: smtp, listen: 2525 }]\n')
    await writeFile(join(place, '20-routes.yaml'), 'routes: [{ name: out, match: ["*"], type: smtp, hosts: ["h:25"] }]\n')
    const env = { SLUICE_CONFIG: place }
    expect(await sluiceWith(env, 'config', 'check')).toEqual({ code: 0, out: `${place} is right\n`, err: '' })
    expect((await sluiceWith(env, 'config', 'explain', 'example.org')).out).toContain('out, type smtp')
    const { code, err } = await sluice('config', 'check')
    expect([code, err]).toEqual([2, expect.stringContaining('expected one file')])
  })

  it('prints its version', async () => {
    expect(await sluice('--version')).toEqual({ code: 0, out: '0.1.0\n', err: '' })
  })

  it.each([
    [[], /Usage: sluice COMMAND/],
    [['fly'], /there is no command "fly"/],
    [['help', 'fly'], /there is no command "fly"/],
    [['queue', '--redis', 'http://nowhere'], /expected redis:\/\/HOST:PORT/],
    [['send', '--to', 'nobody'], /expected an address such as me@sluice\.test behind --to, not nobody/],
    [['send'], /expected --to ADDRESS\nTry: sluice send --help/],
    [['send', '--to', 'a@b.test', '--server', 'nowhere'], /expected HOST:PORT/],
    [['send', '--to', 'a@b.test', '--body', 'x', '--file', 'y'], /exclude each other/],
    [['up', '--colour'], /Unknown option '--colour'/],
    [['config', 'check'], /expected one file/],
  ])('%j is a mistake of usage: exit code 2', async (argv, text) => {
    const { code, out, err } = await sluice(...argv)
    expect(code).toBe(2)
    expect(out + err).toMatch(text)
  })

  it('a Redis that does not answer is 1, with the reason and without the password', async () => {
    const { code, out, err } = await sluice('queue', '--redis', 'redis://user:hidden@127.0.0.1:1')
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toMatch(/does not answer at redis:\/\/127\.0\.0\.1:1: connect ECONNREFUSED/)
    expect(err).not.toContain('hidden')
  }, 15_000)

  it('send to nobody fails with 1 and says why', async () => {
    const { code, err } = await sluice('send', '--to', 'me@sluice.test', '--server', '127.0.0.1:1')
    expect(code).toBe(1)
    expect(err).toMatch(/no mail was handed to 127\.0\.0\.1:1: connect ECONNREFUSED/)
  })
})

describe('config check', () => {
  it('a right config is 0', async () => {
    const file = join(folder, 'right.yaml')
    await writeFile(file, 'hostname: mx.example.org\nlisteners: [{ name: smtp, listen: 25 }]\n')
    expect(await sluice('config', 'check', file)).toMatchObject({ code: 0, out: `${file} is right\n` })
  })

  it('problems are 2, each with file, line, key and what was expected', async () => {
    const file = join(folder, 'wrong.yaml')
    await writeFile(file, 'hostname: mx.example.org\nlimits:\n  size: much\n')
    const { code, err } = await sluice('config', 'check', file)
    expect(code).toBe(2)
    expect(err).toMatch(new RegExp(`^${file}:3: limits\\.size: expected a size`))
    const json = await sluice('config', 'check', file, '--json')
    expect(json.code).toBe(2)
    expect(JSON.parse(json.out)).toMatchObject({ ok: false, problems: [{ line: 3, key: 'limits.size' }] })
  })
})
