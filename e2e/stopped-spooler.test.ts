/** Without a spooler mail is taken and held; it goes out once a spooler is there again. */
import { expect, it } from 'vitest'
import { submit } from './support/client.ts'
import { eventually } from './support/gateway.ts'
import { useFarEnd, useSluice, useSpool } from './support/scene.ts'

const far = useFarEnd()
const sluice = useSluice(
  () => `
routes:
  - { name: one, match: [one.test], type: smtp, hosts: ["127.0.0.1:${far.port}"] }
  - { name: far, match: ["*"], type: smtp, hosts: ["127.0.0.1:${far.port}"] }
`,
)
const spool = useSpool(sluice)

const send = (...to: string[]): Promise<string> => submit(sluice.smtpPort, { from: 'anna@client.test', to })
const states = async (ids: string[]): Promise<string[]> =>
  (await Promise.all(ids.map((id) => spool.trace(id)))).flatMap(({ tasks }) => tasks.map(({ state }) => state))

it('R-250: mail for a destination without a grant is taken and held while the spooler stands still, and delivered afterwards', async () => {
  sluice.kill('spooler', 'SIGSTOP')
  try {
    const ids = [await send('ok+1@far.test'), await send('ok+2@far.test')]
    // With several destinations it waits in intake, which is the spooler's work too.
    ids.push(await send('ok+3@far.test', 'ok+3@one.test'))
    expect(await states(ids)).toEqual(['waiting', 'waiting'])
    expect((await spool.trace(ids[2] ?? '')).intake).toMatchObject({ id: ids[2] })
    expect(await spool.queue()).toMatchObject([{ destination: 'far', waiting: 2, active: 0, sessions: 0 }])
    const { stdout } = await sluice.cli('queue')
    expect(stdout).toMatch(/^far +2 +0 +0 +0 +0 {2}waiting for a session$/m)
    expect(stdout).toContain('1 message with several destinations on the way into their queues\n')
    expect(far.connections).toEqual([])
  } finally {
    sluice.kill('spooler', 'SIGCONT')
  }
  await spool.idle()
  const arrived = far.messages.map(({ recipients }) => recipients[0]?.address)
  expect(arrived.sort()).toEqual(['ok+1@far.test', 'ok+2@far.test', 'ok+3@far.test', 'ok+3@one.test'])
})

it('grants outlive the spooler for a minute at most; another spooler takes up what is held', async () => {
  const before = far.messages.length
  await send('ok+granted@far.test')
  await far.received(before + 1)
  await spool.idle()
  sluice.kill('spooler', 'SIGSTOP')
  await sluice.setClock(61_000)
  const id = await send('ok+held@far.test')
  expect(await states([id])).toEqual(['waiting'])
  expect(await spool.queue()).toMatchObject([{ destination: 'far', waiting: 1, sessions: 0 }])
  const pid = sluice.pidOf('spooler')
  sluice.kill('spooler', 'SIGKILL')
  await eventually('another spooler', () => sluice.pidOf('spooler') !== pid)
  await spool.idle()
  expect(far.messages.map(({ recipients }) => recipients[0]?.address).slice(before)).toEqual([
    'ok+granted@far.test',
    'ok+held@far.test',
  ])
})
