/**
 * A delivery-agent of another language and no code of ours (examples/foreign-agent) in the place of the real one: ingress and spooler
 * run as they are, and it delivers, defers, bounces with a notice, and gives nothing up when it is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createVerbs } from '@sluice/spool'
import { startRedis } from '@sluice/testkit'
import { expect, it } from 'vitest'
import { idOf } from './support/accounts.ts'
import { eventually, type LogLine, parseLog } from './support/gateway.ts'
import { openSmtp } from './support/load.ts'
import { useFarEnd, useStarted } from './support/scene.ts'
import { startService } from './support/service.ts'

const AGENT = join(import.meta.dirname, '..', 'examples', 'foreign-agent', 'agent.py')
const far = useFarEnd({ tls: 'off', slowMs: 20_000 })

const startForeignAgent = (redisUrl: string, lanes: number) => {
  const words = ['--redis', redisUrl, '--far', `127.0.0.1:${far.port}`, '--lanes', String(lanes)]
  const child: ChildProcess = spawn('python3', [AGENT, ...words, '--notices', 'far/notices', '--delays', '1,1,1'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  return {
    events: (name: string, id?: string): LogLine[] =>
      parseLog(output).filter((line) => line.event === name && (id === undefined || line.id === id)),
    stop: async (signal: NodeJS.Signals): Promise<void> => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill(signal)
      await gone
    },
  }
}

const LANES = 2
const ground = useStarted(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-foreign-'))
  const server = await startRedis()
  const config = join(folder, 'sluice.yaml')
  const lines = [
    `redis: { url: "${server.url}", lanes: ${LANES} }`,
    'trustedNetworks: [127.0.0.1/32]',
    'listeners: [{ name: smtp, listen: "127.0.0.1:0" }]',
    'http: { ports: { ingress: 0, spooler: 0, delivery-agent: 0, mailbox: 0 } }',
    `routes: [{ name: far, match: ["*"], type: smtp, hosts: ["127.0.0.1:${far.port}"] }, { name: two, match: [two.test], type: smtp, hosts: ["127.0.0.1:${far.port}"] }]`,
  ]
  await writeFile(config, `hostname: mx.sluice.test\n${lines.join('\n')}\n`)
  const env = { SLUICE_CONFIG: config, SLUICE_DATA: folder }
  const [ingress, spooler] = [await startService('ingress', env), await startService('spooler', env)]
  const agents = [startForeignAgent(server.url, LANES)]
  return {
    agents,
    url: server.url,
    port: ingress.listening.find(({ name }) => name === 'smtp')?.port ?? 0,
    verbs: createVerbs({ redis: server.client, lanes: LANES, now: Date.now }),
    redis: server.client,
    stop: async () => {
      await Promise.all(agents.map((agent) => agent.stop('SIGKILL')))
      await Promise.all([ingress.stop(), spooler.stop()])
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
})

/** @returns the message's ID */
const send = async (to: string[], body = 'hello'): Promise<string> => {
  const smtp = openSmtp(ground.port)
  await smtp.reply()
  smtp.write(`EHLO client.test\r\nMAIL FROM:<sender@own.test>\r\n${to.map((each) => `RCPT TO:<${each}>\r\n`).join('')}DATA\r\n`)
  for (let i = 0; i < to.length + 3; i++) await smtp.reply()
  smtp.write(`Subject: x\r\n\r\n${body}\r\n.\r\n`)
  const id = /queued as (\w+)/.exec(await smtp.reply())?.[1]
  smtp.close()
  if (id === undefined) throw new Error('not queued')
  return id
}

const arrivals = (id: string) => far.messages.filter(({ from, content }) => from !== '' && idOf(content) === id)
const events = (name: string, id: string): LogLine[] => ground.agents.flatMap((agent) => agent.events(name, id))
const isEmpty = async (): Promise<boolean> => (await ground.verbs.queue()).length === 0

it('R-dots: delivers mail as it stands, to one destination and to several, whatever its size', async () => {
  const dots = await send(['ok@far.test'], '.\r\n..dots\r\n.'.replaceAll(/^\./gm, '..'))
  const both = await send(['ok@far.test', 'ok@two.test'], 'x'.repeat(70).concat('\r\n').repeat(6000))
  await eventually('all to arrive', () => arrivals(dots).length === 1 && arrivals(both).length === 2)
  await eventually('an empty spool', isEmpty)
  expect(arrivals(dots)[0]?.content.toString()).toMatch(/\r\n\r\n\.\r\n\.\.dots\r\n\.\r\n$/)
  expect(arrivals(both)[0]?.content.length).toBeGreaterThan(6000 * 72)
  await eventually('no content to be left', async () => (await ground.redis.keys('*:content:*')).length === 0)
})

it('R-partial: defers by its schedule who is refused for now, and the others get the mail once', async () => {
  const id = await send(['ok@far.test', 'tempfail-2@far.test'])
  await eventually('both to have it', () => arrivals(id).length === 2)
  expect(arrivals(id).map(({ recipients }) => recipients.map(({ address }) => address).join())).toEqual([
    'ok@far.test',
    'tempfail-2@far.test',
  ])
  expect(events('deferred', id)).toHaveLength(2)
  await eventually('an empty spool', isEmpty)
})

it('R-one-notice: bounces with one notice, admitted before the message is settled, in the class of notices', async () => {
  const id = await send(['reject@far.test'])
  const notice = await eventually('the notice', () =>
    far.messages.find(({ from, content }) => from === '' && content.includes('no such user')),
  )
  expect(notice.recipients).toMatchObject([{ address: 'sender@own.test' }])
  expect(events('notice', id)).toHaveLength(1)
  await eventually('an empty spool', isEmpty)
})

it('loses nothing when it is killed: another one takes up the session, says that the outcome is unknown, and delivers', async () => {
  const id = await send(['slow@far.test'])
  await eventually('the mark', async () => (await ground.redis.keys(`*:${id}:mark`)).length === 1)
  await ground.agents[0]?.stop('SIGKILL')
  far.set({ tls: 'off', slowMs: 0 })
  ground.agents.push(startForeignAgent(ground.url, LANES))
  const recovery = await eventually('another run', () => events('recovery', id)[0], 60_000)
  expect(recovery).toMatchObject({ outcomeUnknown: true })
  await eventually('an empty spool', isEmpty, 30_000)
  expect(events('delivered', id)).toMatchObject([{ attempt: 2 }])
  expect(arrivals(id).length).toBeGreaterThanOrEqual(1)
})

it('does as the postmaster marked, in the midst of a held queue', async () => {
  await ground.verbs.hold('far')
  const [kept, dropped] = [await send(['ok@far.test']), await send(['ok@far.test'])]
  const mark = { verb: 'delete', who: 'anna', why: '', at: Date.now(), op: '1' } as const
  expect(await ground.verbs.mark('far', [dropped], mark)).toMatchObject({ done: 1 })
  await eventually('it to be deleted', () => events('delete', dropped).length === 1)
  await ground.verbs.release('far')
  await eventually('the other to arrive', () => arrivals(kept).length === 1)
  await eventually('an empty spool', isEmpty)
  expect(arrivals(dropped)).toEqual([])
})

it('ends in order: what it has in hand is settled, and its sessions are closed', async () => {
  await ground.agents.at(-1)?.stop('SIGTERM')
  const waiting = await send(['ok@far.test'])
  expect(await ground.redis.llen('sluice{00}:delivery:active')).toBe(0)
  ground.agents.push(startForeignAgent(ground.url, LANES))
  await eventually('it to arrive', () => arrivals(waiting).length === 1)
  await eventually('an empty spool', isEmpty)
})
