import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, type Gateway, startGateway } from '@sluice/testkit'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { runCli } from '../run-cli.ts'

const main = join(import.meta.dirname, '..', 'main.ts')
let folder: string
let config: string
const running: Gateway[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-up-'))
  config = join(folder, 'sluice.yaml')
  await writeFile(
    config,
    `hostname: mx.sluice.test
listeners: [{ name: smtp, listen: 127.0.0.1:0 }]
domains: [{ name: sluice.test, route: local, postmaster: me@sluice.test }]
accounts: [{ address: me@sluice.test }]
mailbox: { listen: 127.0.0.1:${await freePort()} }
http: { ports: { ingress: 0, spooler: 0, delivery-agent: 0, mailbox: 0 } }
content: { minFree: 1MiB }
shutdownGrace: 5s
`,
  )
})
afterEach(async () => {
  for (const gateway of running.splice(0)) await gateway.stop('SIGINT').catch(() => null)
  await rm(folder, { recursive: true, force: true })
})

const data = (): string => join(folder, 'data')
const up = async (...more: string[]): Promise<Gateway> => {
  const args = ['--no-warnings', main, 'up', '--config', config, '--data', data(), ...more]
  const gateway = await startGateway({ command: process.execPath, args, stopWithinMs: 30_000 })
  running.push(gateway)
  return gateway
}

const sluice = async (...argv: string[]): Promise<{ code: number; out: string; err: string }> => {
  const said = { out: '', err: '' }
  const out = (text: string): void => {
    said.out += text
  }
  const err = (text: string): void => {
    said.err += text
  }
  return { code: await runCli(argv, { out, err, env: process.env }), ...said }
}

const sendCommand = (output: string): string[] => (/^ +\S*sluice (send .*)$/m.exec(output)?.[1] ?? '').split(' ')
const pidOf = (output: string, name: string): number =>
  Number([...output.matchAll(new RegExp(`"process":"${name}","pid":(\\d+)`, 'g'))].at(-1)?.[1])
const mails = (): Promise<string[]> => readdir(join(data(), 'mail', 'sluice.test', 'me', 'new')).catch(() => [])

it('runs a gateway as processes: a first mail as printed, what dies is started again, the spool outlives a stop', async () => {
  const gateway = await up()
  expect(gateway.output()).toContain(`It lands in:\n  ${join(data(), 'mail/sluice.test/me/new')}\n`)
  const sent = await sluice(...sendCommand(gateway.output()), '--subject', 'one')
  expect(sent).toMatchObject({ code: 0, out: expect.stringMatching(/^queued as [0-9A-Z]{18}\n$/) })
  await expect.poll(mails, { timeout: 10_000 }).toHaveLength(1)

  const second = await sluice('up', '--config', config, '--data', data())
  expect(second).toMatchObject({ code: 1, err: expect.stringContaining(`runs with the data folder ${data()} (process `) })

  for (const name of ['redis', 'mailbox', 'delivery-agent', 'ingress']) {
    const pid = pidOf(gateway.output(), name)
    process.kill(pid, 'SIGKILL')
    await expect.poll(() => pidOf(gateway.output(), name), { timeout: 10_000 }).not.toBe(pid)
  }
  const port = /--server 127\.0\.0\.1:(\d+)/.exec(gateway.output())?.[1]
  expect(port).toBeDefined()
  expect(await gateway.stop('SIGINT')).toBe(0)

  const again = await up()
  expect(await sluice(...sendCommand(again.output()), '--subject', 'two', '--json')).toMatchObject({ code: 0 })
  await expect.poll(mails, { timeout: 10_000 }).toHaveLength(2)
  expect(await again.stop('SIGTERM')).toBe(0)
}, 90_000)

it('a Redis that a killed supervisor left behind is ended and its data taken over; services end by themselves', async () => {
  const first = await up()
  const pids = ['redis', 'ingress', 'mailbox'].map((name) => pidOf(first.output(), name))
  process.kill(first.pid, 'SIGKILL')
  await first.exited
  const port = await readFile(join(data(), 'redis-port'), 'utf8')
  const next = await up()
  expect(await readFile(join(data(), 'redis-port'), 'utf8')).toBe(port)
  for (const pid of pids) await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false)
  expect(await next.stop('SIGINT')).toBe(0)
}, 60_000)

it('runs everything in one process', async () => {
  const gateway = await up('--single-process', '--json')
  const listening = JSON.parse(/^\{"data".*$/m.exec(gateway.output())?.[0] ?? '{}')
  const smtp = listening.services.ingress.find(({ name }: { name: string }) => name === 'smtp')
  const sent = await sluice('send', '--to', 'me@sluice.test', '--server', `127.0.0.1:${smtp.port}`, '--json')
  expect(JSON.parse(sent.out)).toMatchObject({ ok: true, id: expect.stringMatching(/^[0-9A-Z]{18}$/) })
  await expect.poll(mails, { timeout: 10_000 }).toHaveLength(1)

  const partly = ['send', '--to', 'me@sluice.test', '--to', 'nobody@sluice.test', '--server', `127.0.0.1:${smtp.port}`]
  expect(await sluice(...partly)).toMatchObject({
    code: 1,
    err: 'refused for nobody@sluice.test: 550 5.1.1 no such recipient here\n',
  })
  expect(JSON.parse((await sluice(...partly, '--json')).out)).toMatchObject({
    ok: false,
    accepted: ['me@sluice.test'],
    rejected: ['nobody@sluice.test'],
    refusals: { 'nobody@sluice.test': '550 5.1.1 no such recipient here' },
  })
  const retry = (...names: string[]) => sluice('retry', ...names, '--config', config, '--data', data())
  expect(await retry('local')).toEqual({ code: 0, out: '0 messages are due now\n', err: '' })
  expect(await retry('local', 'lokal', '0'.repeat(18))).toEqual({
    code: 3,
    out: '',
    err: `there is no destination lokal\nnothing is known of ${'0'.repeat(18)}\n`,
  })
  expect(await gateway.stop('SIGINT')).toBe(0)
}, 60_000)

it('a config with errors ends with 2 and names them, before anything starts', async () => {
  await writeFile(config, 'hostname: mx.sluice.test\nlistenerz: []\n')
  const { code, err } = await sluice('up', '--config', config, '--data', data())
  expect(code).toBe(2)
  expect(err).toContain(`${config}:2: listenerz:`)
})

it('a config that becomes wrong while it runs ends everything with 2 once a service has to read it', async () => {
  const gateway = await up()
  await writeFile(config, 'listenerz: []\n')
  process.kill(pidOf(gateway.output(), 'spooler'), 'SIGKILL')
  expect(await gateway.exited).toBe(2)
  expect(gateway.output()).toContain(`${config}:1: listenerz:`)
}, 60_000)

it('a port that is taken is given up after three tries, with 1', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  await writeFile(config, (await readFile(config, 'utf8')).replace('127.0.0.1:0 }', `127.0.0.1:${port} }`))
  await expect(up()).rejects.toThrow(
    /exit code 1[\s\S]*ingress does not start: listen EADDRINUSE: address already in use 127\.0\.0\.1:\d+\n/,
  )
  server.close()
}, 60_000)

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
