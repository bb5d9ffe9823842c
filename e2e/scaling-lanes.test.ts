/**
 * Scaling with several lanes: an agent's places are divided among them, and all mail of one smarthost is one destination in one lane.
 * As many agents as the figure says hold all its conversations.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRedis } from '@sluice/testkit'
import { expect, it } from 'vitest'
import { fillSpool } from './support/fill-spool.ts'
import { eventually } from './support/gateway.ts'
import { useFarEnd, useStarted } from './support/scene.ts'
import { type ServiceProcess, startService } from './support/service.ts'

const LANES = 16
/** Two in each lane. */
const PER_AGENT = 32
const CONNECTIONS = 6
const AGENTS = 3
const TASKS = 400

const redis = useStarted(() => startRedis())
const slow = useFarEnd({ slowMs: 3000 })

let env: NodeJS.ProcessEnv
useStarted(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-scaling-lanes-'))
  const file = join(folder, 'sluice.yaml')
  await writeFile(
    file,
    `hostname: mx.sluice.test
redis: { url: "${redis.url}", lanes: ${LANES} }
http: { ports: { ingress: 0, spooler: 0, delivery-agent: 0, mailbox: 0 } }
routes: [{ name: smarthost, match: ["*"], type: smtp, hosts: ["127.0.0.1:${slow.port}"], connections: ${CONNECTIONS} }]
delivery: { sessions: ${PER_AGENT} }
`,
  )
  env = { SLUICE_CONFIG: file, SLUICE_DATA: folder }
  return { stop: () => rm(folder, { recursive: true, force: true }) }
})
const spooler: ServiceProcess = useStarted(() => startService('spooler', env))

type Scaling = { sessions: number; open: number; waiting: number; agents: number }
const scaling = async (): Promise<Scaling> => {
  const port = spooler.listening.find(({ name }) => name === 'http')?.port ?? 0
  return (await fetch(`http://127.0.0.1:${port}/scaling`)).json() as Promise<Scaling>
}

it(`one smarthost in one of ${LANES} lanes gets as many agents as hold all its conversations`, { timeout: 120_000 }, async () => {
  await fillSpool(redis, LANES, TASKS, () => ({ address: 'slow@far.test', destination: 'smarthost' }))
  const wanted = await eventually('all its conversations', async () => {
    const now = await scaling()
    return now.waiting >= CONNECTIONS ? now : null
  })
  expect(wanted).toMatchObject({ open: 0, waiting: CONNECTIONS, sessions: AGENTS * PER_AGENT, agents: AGENTS })
  const agents = await Promise.all(Array.from({ length: wanted.agents }, () => startService('delivery-agent', env)))
  try {
    const held = await eventually('all of them held', async () => {
      const now = await scaling()
      return now.open >= CONNECTIONS ? now : null
    })
    expect(held).toMatchObject({ open: CONNECTIONS, agents: AGENTS })
  } finally {
    await Promise.all(agents.map((agent) => agent.stop()))
  }
})
