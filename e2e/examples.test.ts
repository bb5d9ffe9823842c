/**
 * The examples, and the built-in config, as they stand in the checkout: each runs, does what it says, and relays nothing for
 * strangers. They use the ports that users would, so only one runs at a time.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type FarEnd, freePort, type Gateway, startDns, startFarEnd, startGateway } from '@sluice/testkit'
import { expect, it } from 'vitest'
import { submit, submitRaw } from './support/client.ts'
import { eventually, runProgram } from './support/gateway.ts'
import { mailsOf } from './support/maildir.ts'
import { openSpool, type Spool } from './support/spool.ts'

const ROOT = join(import.meta.dirname, '..')
const SLUICE = join(ROOT, 'bin', 'sluice')
const EXAMPLES = ['relay.yaml', 'gateway.yaml', 'outbound.yaml', 'redis-sentinel.yaml', 'redis-cluster.yaml']
/** The defaults: figures of four services, and the mailbox. */
const FIXED_PORTS = [9101, 9102, 9103, 9104, 9111, 9112, 9113, 2424]

const isTaken = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('close', () => socket.destroy())
    socket.once('connect', () => socket.destroy())
  })

/** An address of this machine that is no loopback one: who connects to it comes from it, and is a stranger to the examples. */
const outsideAddress = (): string => {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  const found = all.find(({ internal, family }) => !internal && family === 'IPv4')
  if (found === undefined) throw new Error('this scenario needs a network interface besides loopback: strangers come from there')
  return found.address
}

type Running = { folder: string; port: number; spool: Spool; gateway: Gateway }

/** Runs a gateway with a config as it is; null: the built-in one. */
const withExample = async (
  example: string | null,
  env: NodeJS.ProcessEnv,
  use: (running: Running) => Promise<void>,
): Promise<void> => {
  await eventually(
    `the ports ${FIXED_PORTS.join(', ')}, which another program uses, to be free`,
    async () => !(await Promise.all(FIXED_PORTS.map(isTaken))).includes(true),
    60_000,
  )
  const folder = await mkdtemp(join(tmpdir(), 'sluice-example-'))
  const config = example === null ? [] : ['--config', join(ROOT, 'examples', example)]
  let gateway: Gateway | undefined
  let spool: Spool | undefined
  try {
    gateway = await startGateway({ command: SLUICE, args: ['up', ...config, '--data', folder], cwd: ROOT, env })
    const port = Number(/^smtp\s+\S+:(\d+)$/m.exec(gateway.output())?.[1])
    spool = await openSpool(folder)
    await use({ folder, port, spool, gateway })
  } finally {
    spool?.stop()
    await gateway?.stop('SIGINT')
    await rm(folder, { recursive: true, force: true })
  }
}

/** Every way to write an address that some server once relayed for strangers. */
const RELAYS = [
  'friend@far.example',
  '<@own.example:friend@far.example>',
  'friend@[198.51.100.9]',
  'friend@[IPv6:2001:db8::9]',
  '"friend@far.example"@far.example',
  'friend%far.example@elsewhere.example',
  'far.example!friend@elsewhere.example',
  'friend@FAR.example.',
]

/** @param own domains that mail is taken for: their names must not lead elsewhere either */
const expectNoRelay = async (port: number, host: string, own: string[] = []): Promise<void> => {
  const inside = own.flatMap((domain) => [
    `friend%far.example@${domain}`,
    `far.example!friend@${domain}`,
    `"friend@far.example"@${domain}`,
    `<@${domain}:friend@far.example>`,
  ])
  const to = [...RELAYS, ...inside]
  const { id, replies } = await submitRaw(port, { from: 'stranger@elsewhere.example', to, host })
  expect(replies[0]).toMatch(/^250/)
  const codes = to.map((address, n) => `${address} ${replies[n + 1]?.slice(0, 1)}`)
  expect(codes).toEqual(to.map((address) => `${address} 5`))
  expect(id).toBeNull()
}

const recipientsOf = (far: FarEnd): string[] =>
  far.messages.flatMap(({ recipients }) => recipients.map(({ address }) => address)).sort()

it('the examples are right, with their environment', async () => {
  const check = (name: string): Promise<unknown> =>
    runProgram(SLUICE, ['config', 'check', join(ROOT, 'examples', name)], { env: { SLUICE_SMARTHOST: 'smtp.example.com:25' } })
  for (const result of await Promise.all(EXAMPLES.map(check))) expect(result).toMatchObject({ code: 0, stderr: '' })
})

it('R-relay: relay.yaml hands everything from loopback to the smarthost, and takes nothing from anybody else', async () => {
  const far = await startFarEnd()
  const port = await freePort()
  const env = { SLUICE_LISTEN: `0.0.0.0:${port}`, SLUICE_SMARTHOST: `127.0.0.1:${far.port}` }
  await withExample('relay.yaml', env, async ({ spool }) => {
    await submit(port, { from: 'you@example.com', to: ['friend@example.org', 'other@example.net'] })
    await spool.idle()
    expect(recipientsOf(far)).toEqual(['friend@example.org', 'other@example.net'])
    await expectNoRelay(port, outsideAddress())
    await spool.idle()
    expect(far.messages).toHaveLength(1)
  })
  await far.stop()
})

it('R-relay: gateway.yaml takes the mail of two domains to two backends, from anybody, and relays nothing', async () => {
  const [one, two] = [await startFarEnd(), await startFarEnd({ protocol: 'lmtp' })]
  const port = await freePort()
  const env = {
    SLUICE_LISTEN: `127.0.0.1:${port}`,
    SLUICE_BACKEND_ONE: `127.0.0.1:${one.port}`,
    SLUICE_BACKEND_TWO: `127.0.0.1:${two.port}`,
  }
  await withExample('gateway.yaml', env, async ({ spool }) => {
    await submit(port, { from: 'friend@far.example', to: ['whoever@one.example'] })
    await submit(port, { from: 'friend@far.example', to: ['clara@two.example', 'postmaster@two.example'] })
    await submit(port, { from: 'friend@far.example', to: ['info@two.example'] })
    await spool.idle()
    expect(recipientsOf(one)).toEqual(['anna@one.example', 'whoever@one.example'])
    expect(recipientsOf(two)).toEqual(['ben@two.example', 'ben@two.example', 'clara@two.example'])
    const { replies } = await submitRaw(port, { from: 'friend@far.example', to: ['nobody@two.example'] })
    expect(replies[1]).toMatch(/^550 5\.1\.1/)
    await expectNoRelay(port, '127.0.0.1', ['one.example', 'two.example'])
    await spool.idle()
    expect([one.messages.length, two.messages.length]).toEqual([2, 3])
    // An address literal of this host is its first domain, and leads nowhere else.
    await submit(port, { from: 'friend@far.example', to: ['host@[127.0.0.1]'] })
    await spool.idle()
    expect(recipientsOf(one)).toEqual(['anna@one.example', 'host@one.example', 'whoever@one.example'])
  })
  await Promise.all([one.stop(), two.stop()])
})

it('R-relay, R-classic: outbound.yaml delivers by MX with the internet schedule, for loopback only', async () => {
  const host = '127.25.1.1'
  const far = await startFarEnd({ host, port: 25 }).catch((cause: unknown) => {
    throw new Error(`MX delivery goes to port 25, and ${host}:25 cannot be listened on here: this scenario needs root`, { cause })
  })
  const dns = await startDns({
    'mx.host.test': [`A ${host}`],
    'friends.test': ['MX 10 mx.host.test.'],
    'large.example': ['MX 10 mx.host.test.'],
  })
  const port = await freePort()
  const env = {
    SLUICE_LISTEN: `0.0.0.0:${port}`,
    SLUICE_RESOLVER: `${dns.server.host}:${dns.server.port}`,
    SLUICE_ALLOW_PRIVATE_MX: 'true',
  }
  await withExample('outbound.yaml', env, async ({ spool }) => {
    await submit(port, { from: 'you@example.com', to: ['ok@friends.test', 'ok@large.example'] })
    await spool.idle()
    expect(recipientsOf(far)).toEqual(['ok@friends.test', 'ok@large.example'])
    await expectNoRelay(port, outsideAddress())
    const id = await submit(port, { from: 'you@example.com', to: ['tempfail@friends.test'] })
    const task = await eventually('the deferral', async () =>
      (await spool.trace(id)).tasks.find(({ state }) => state === 'delayed'),
    )
    // After five minutes, and up to a tenth more.
    const pause = ((task.nextAttemptAt ?? 0) - (task.task?.attempts[0]?.at ?? 0)) / 60_000
    expect(pause).toBeGreaterThanOrEqual(5)
    expect(pause).toBeLessThan(5.6)
    expect(far.messages).toHaveLength(2)
  })
  await dns.stop()
  await far.stop()
})

it('R-relay: the built-in config takes mail for sluice.test and relays nothing, not even for loopback', async () => {
  await eventually('port 2525, which another program uses, to be free', async () => !(await isTaken(2525)), 60_000)
  await withExample(null, {}, async ({ port, folder, spool }) => {
    expect(port).toBe(2525)
    await submit(port, { from: 'friend@far.example', to: ['me@sluice.test', 'postmaster@sluice.test'] })
    await spool.idle()
    expect(await mailsOf(folder, 'me@sluice.test')).toHaveLength(1)
    await expectNoRelay(port, '127.0.0.1', ['sluice.test'])
    await spool.idle()
    expect((await mailsOf(folder, 'me@sluice.test')).map((mail) => /^Return-Path: (.*)$/m.exec(mail)?.[1])).toEqual([
      '<friend@far.example>',
    ])
  })
})
