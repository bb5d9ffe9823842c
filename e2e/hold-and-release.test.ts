/** The postmaster's verbs: hold, release, retry, queue; mail to other destinations flows meanwhile. */
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { submit } from './support/client.ts'
import { eventually, runProgram } from './support/gateway.ts'
import { routesTo, useFarEnd, useSluice, useSpool } from './support/scene.ts'

const BIN = join(import.meta.dirname, '..', 'bin', 'sluice')

const one = useFarEnd()
const two = useFarEnd()
const sluice = useSluice(() => routesTo({ one, two }))
const spool = useSpool(sluice)

const send = (...to: string[]): Promise<string> => submit(sluice.smtpPort, { from: 'anna@client.test', to })

it('a held destination keeps its mail until it is released, and mail for others flows', async () => {
  await send('ok+before@one.test')
  await one.received(1)
  await spool.idle()
  expect(await sluice.cli('hold', 'one')).toMatchObject({ code: 0, stdout: 'one: held\n' })

  const ids = [await send('ok+1@one.test'), await send('ok+2@one.test'), await send('ok+3@one.test', 'ok+3@two.test')]
  await send('ok+4@two.test')
  await two.received(2)
  const { destinations, intake } = JSON.parse((await sluice.cli('queue', '--json')).stdout)
  expect(intake).toEqual({ waiting: 0, parked: 0 })
  expect(destinations).toMatchObject([{ destination: 'one', waiting: 3, active: 0, delayed: 0, sessions: 0, held: true }])
  expect((await sluice.cli('queue')).stdout).toMatch(/^one +3 +0 +0 +0 +0 {2}held by \S+$/m)
  expect((await sluice.cli('trace', ids[0] ?? '')).stdout).toContain('one: due, waits for a session')
  // Neither a retry nor a look of the spooler takes anything out of a hold.
  expect(await sluice.cli('retry', 'one')).toMatchObject({ code: 0, stdout: '0 messages are due now\n' })
  await send('ok+5@two.test')
  await two.received(3)
  expect(one.messages).toHaveLength(1)

  expect(await sluice.cli('release', 'one', '--json')).toMatchObject({ code: 0, stdout: '{"released":["one"]}\n' })
  await spool.idle()
  expect(one.messages.map(({ recipients }) => recipients[0]?.address).sort()).toEqual(
    ['ok+before@one.test', 'ok+1@one.test', 'ok+2@one.test', 'ok+3@one.test'].sort(),
  )
  expect(two.messages).toHaveLength(3)
  expect(JSON.parse((await sluice.cli('queue', '--json')).stdout)).toEqual({
    destinations: [],
    intake: { waiting: 0, parked: 0 },
  })
})

it('a hold outlives the spooler and the delivery-agent', async () => {
  await sluice.cli('hold', 'one')
  const id = await send('ok+night@one.test')
  for (const name of ['spooler', 'delivery-agent'] as const) {
    const pid = sluice.pidOf(name)
    sluice.kill(name)
    await eventually(`another ${name}`, () => sluice.pidOf(name) !== pid)
  }
  await send('ok+6@two.test')
  await two.received(4)
  expect((await spool.trace(id)).tasks).toMatchObject([{ destination: 'one', state: 'waiting' }])
  await sluice.cli('release', 'one')
  await one.received(5)
  await spool.idle()
  expect(one.messages).toHaveLength(5)
})

it('retry makes what waits for a later attempt due now: one message, a destination, all', async () => {
  const ids = [await send('tempfail-2@one.test'), await send('tempfail-once+b@one.test'), await send('tempfail-once+c@two.test')]
  const delayed = (): Promise<number> => spool.queue().then((all) => all.reduce((sum, each) => sum + each.delayed, 0))
  await eventually('all to wait', async () => (await delayed()) === 3)
  const before = one.messages.length + two.messages.length
  expect(await sluice.cli('retry', ids[0] ?? '', '--json')).toMatchObject({ code: 0, stdout: '{"due":1}\n' })
  await eventually('its second attempt', () => sluice.events('deferral').some((line) => line.id === ids[0] && line.attempt === 2))
  await eventually('it to wait again', async () => (await delayed()) === 3)
  expect(one.messages.length + two.messages.length).toBe(before)
  expect(await sluice.cli('retry', 'one')).toMatchObject({ code: 0, stdout: '2 messages are due now\n' })
  await eventually('both', async () => (await delayed()) === 1)
  expect(await sluice.cli('retry', '--all')).toMatchObject({ code: 0, stdout: '1 message is due now\n' })
  await spool.idle()
  expect(one.messages.length + two.messages.length).toBe(before + 3)
})

it('exit codes: 2 for a command line that is wrong, 3 for what is not known, 1 for a Redis that is not there', async () => {
  const unknown = '0000000000ABCDEFGH'
  const told = await Promise.all([
    sluice.cli('retry', unknown),
    sluice.cli('trace', unknown),
    sluice.cli('hold'),
    sluice.cli('queue', '--nonsense'),
    runProgram(BIN, ['frobnicate']),
    runProgram(BIN, ['queue', '--redis', 'redis://127.0.0.1:1']),
  ])
  expect(told).toMatchObject([
    { code: 3, stderr: `nothing is known of ${unknown}\n` },
    { code: 3, stderr: `nothing is known of ${unknown}\n` },
    { code: 2, stderr: expect.stringContaining('expected a destination') },
    { code: 2, stderr: expect.stringContaining('Try: sluice queue --help') },
    { code: 2, stderr: expect.stringContaining('there is no command "frobnicate"') },
    { code: 1, stderr: expect.stringContaining('Redis does not answer at redis://127.0.0.1:1') },
  ])
})

it('every command has its help, with usage and exit codes', async () => {
  const verbs = ['hold', 'release', 'retry', 'bounce', 'delete', 'reroute', 'suspend', 'resume']
  const names = ['up', 'send', 'queue', 'show', 'why', 'trace', ...verbs, 'audit', 'config check']
  const overview = await runProgram(BIN, ['help'])
  expect(overview.code).toBe(0)
  const helps = await Promise.all(names.map((name) => runProgram(BIN, [...name.split(' '), '--help'])))
  for (const [at, name] of names.entries()) {
    expect(overview.stdout).toMatch(new RegExp(`^  ${name} `, 'm'))
    expect(helps[at]).toMatchObject({ code: 0, stderr: '' })
    expect(helps[at]?.stdout).toMatch(new RegExp(`^Usage: sluice ${name} [\\s\\S]*^Exit codes: 0 `, 'm'))
  }
})
