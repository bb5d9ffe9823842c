/**
 * What delivery-agents are scaled by. A hundred thousand messages that wait for a site held at one a second want no agent more; a slow
 * site wants as many conversations as it may have, and no more; and any spooler tells the same.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startDns, startFarEnd, startRedis } from '@sluice/testkit'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Filled, fillSpool } from './support/fill-spool.ts'
import { eventually } from './support/gateway.ts'
import { useFarEnd, useStarted } from './support/scene.ts'
import { type ServiceProcess, startService } from './support/service.ts'

const DOMAINS = 1000
const TASKS = 100_000
const SLOW_CONNECTIONS = 120
const PER_AGENT = 50
const ADDRESS = '127.25.7.2'
const names = Array.from({ length: DOMAINS }, (_, i) => `d${i}.test`)

const redis = useStarted(() => startRedis())
const far = useStarted(() => startFarEnd({ host: ADDRESS, port: 25 }))
const slow = useFarEnd({ slowMs: 2000 })
const dns = useStarted(() =>
  startDns({ 'mx.held.test': [`A ${ADDRESS}`], ...Object.fromEntries(names.map((name) => [name, ['MX 10 mx.held.test.']])) }),
)

let env: NodeJS.ProcessEnv
const useService = (name: string): ServiceProcess => useStarted(() => startService(name, env))

useStarted(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-scaling-'))
  const file = join(folder, 'sluice.yaml')
  await writeFile(
    file,
    `hostname: mx.sluice.test
redis: { url: "${redis.url}" }
http: { ports: { ingress: 0, spooler: 0, delivery-agent: 0, mailbox: 0 } }
routes:
  - { name: internet, match: ["*"], type: mx }
  - { name: slow, match: [slow.example], type: smtp, hosts: ["127.0.0.1:${slow.port}"], connections: ${SLOW_CONNECTIONS} }
resolver: { servers: ["${dns.server.host}:${dns.server.port}"] }
delivery: { allowPrivateMx: true, sessions: ${PER_AGENT} }
policies: [{ match: { site: mx.held.test }, rate: 60/min, connections: 20 }]
`,
  )
  env = { SLUICE_CONFIG: file, SLUICE_DATA: folder }
  return { stop: () => rm(folder, { recursive: true, force: true }) }
})
const first = useService('spooler')
const second = useService('spooler')

const portOf = ({ listening }: ServiceProcess): number => listening.find(({ name }) => name === 'http')?.port ?? 0
type Scaling = { sessions: number; open: number; waiting: number; perAgent: number; agents: number }
const asked = (spooler: ServiceProcess): Promise<Response> => fetch(`http://127.0.0.1:${portOf(spooler)}/scaling`)
const scaling = async (spooler = first): Promise<Scaling> => (await asked(spooler)).json() as Promise<Scaling>
const gauge = async (spooler: ServiceProcess): Promise<string | undefined> => {
  const text = await (await fetch(`http://127.0.0.1:${portOf(spooler)}/metrics`)).text()
  return /^sluice_sessions_wanted\{[^}]*\} (\S+)$/m.exec(text)?.[1]
}

/** Looks often, for so long. */
const watched = async (forMs: number): Promise<Scaling[]> => {
  const seen: Scaling[] = []
  for (const until = Date.now() + forMs; Date.now() < until; await sleep(100)) seen.push(await scaling())
  return seen
}
const most = (seen: Scaling[]): number => Math.max(...seen.map(({ sessions }) => sessions))

describe(`${TASKS} messages for ${DOMAINS} domains at one site that takes one a second`, () => {
  const nameOf = (i: number): string => names[i % DOMAINS] as string
  const messageOf = (i: number): Filled => ({ address: `ok@${nameOf(i)}`, destination: nameOf(i) })
  beforeAll(() => fillSpool(redis, 1, TASKS, messageOf), 180_000)

  it('without an agent want no more than the connections of the site', { timeout: 120_000 }, async () => {
    await eventually('sessions', async () => (await scaling()).sessions > 0)
    const seen = await watched(3000)
    expect(most(seen)).toBeLessThanOrEqual(20)
    expect(seen.at(-1)).toMatchObject({ open: 0, perAgent: PER_AGENT, agents: 1 })
  })

  it('every spooler tells the same, by page and by figure', async () => {
    // Nobody opens or takes a session now: all permits are in use.
    for (const each of [first, second]) await eventually('all permits in use', async () => (await scaling(each)).sessions === 20)
    expect(await scaling(second)).toEqual(await scaling(first))
    expect([await gauge(first), await gauge(second)]).toEqual(['20', '20'])
  })

  it('with an agent want that one and no other, but for moments', { timeout: 240_000 }, async () => {
    const agent = await startService('delivery-agent', env)
    try {
      await eventually('mail at the far end', () => far.messages.length > 0)
      // Longer than the first sleep of those whose moment is far: they wake by the hundred.
      const seen = await watched(75_000)
      // On a busy machine they wake faster than the agent takes them, for a moment: no need that lasts.
      const more = seen.filter(({ agents }) => agents > 1)
      expect(more.length).toBeLessThanOrEqual(seen.length / 20)
      expect(more.filter(({ agents }) => agents > 2)).toEqual([])
      // Once each domain has its moment, only those wait whose moment is near.
      expect(most(seen.slice(-50))).toBeLessThanOrEqual(5)
      expect(far.messages.length).toBeLessThan(110)
    } finally {
      await agent.stop()
    }
  })
})

describe('a slow site', () => {
  it('wants as many conversations as it may have, whether there are agents for them or not', { timeout: 180_000 }, async () => {
    const before = most(await watched(500))
    await fillSpool(redis, 1, 2000, () => ({ address: 'slow@slow.example', destination: 'slow' }))
    await eventually('all its conversations', async () => (await scaling()).sessions >= SLOW_CONNECTIONS, 60_000)
    const agent = await startService('delivery-agent', env)
    try {
      await eventually('conversations', async () => (await scaling()).open >= PER_AGENT - 5, 60_000)
      const seen = await watched(3000)
      expect(most(seen)).toBeLessThanOrEqual(SLOW_CONNECTIONS + before + 25)
      expect(Math.min(...seen.map(({ sessions }) => sessions))).toBeGreaterThan(SLOW_CONNECTIONS / 2)
      expect(seen.at(-1)?.agents).toBe(3)
    } finally {
      await agent.stop()
    }
  })
})

it('without Redis there is no figure, rather than a wrong one', { timeout: 60_000 }, async () => {
  await redis.kill()
  const { status } = await eventually('no figure', async () => {
    const reply = await asked(first)
    return reply.status === 200 ? null : reply
  })
  expect(status).toBe(503)
  expect(await gauge(first)).toBeUndefined()
  await redis.start()
  await eventually('the figure', async () => (await asked(first)).status === 200)
})
