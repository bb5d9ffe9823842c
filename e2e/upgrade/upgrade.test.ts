/**
 * An upgrade and a rollback on one live spool, under load, with real processes: the previous version's services, then both versions',
 * then the new one's alone, and all the way back. Services stop as in a rolling update, and one agent of each side is killed while the
 * other's run: nothing is lost, twice goes out at most what was in transmission, and nothing is set aside.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createVerbs } from '@sluice/spool'
import { startRedis } from '@sluice/testkit'
import { describe, expect, it } from 'vitest'
import { account, idOf } from '../support/accounts.ts'
import { eventually, type LogLine } from '../support/gateway.ts'
import { type Attempted, startLoad } from '../support/load.ts'
import { routesTo, useFarEnd, useStarted } from '../support/scene.ts'
import { type ServiceProcess, startService } from '../support/service.ts'
import { preparePrevious } from './previous.ts'

const CONNECTIONS = 4
const MESSAGES = 200
const VERSIONS = ['previous', 'new'] as const
type Version = (typeof VERSIONS)[number]
type Phase = { name: string; runs: readonly Version[] }
const PHASES: readonly Phase[] = [
  { name: 'old', runs: ['previous'] },
  { name: 'upgrade', runs: ['previous', 'new'] },
  { name: 'new', runs: ['new'] },
  { name: 'rollback', runs: ['previous', 'new'] },
  { name: 'back', runs: ['previous'] },
]
const SERVICES = ['spooler', 'delivery-agent', 'ingress'] as const

const fars = { far0: useFarEnd(), far1: useFarEnd(), client: useFarEnd() }
const previous = useStarted(preparePrevious, 300_000)

const ground = useStarted(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-upgrade-'))
  const server = await startRedis()
  const config = `hostname: mx.sluice.test
redis: { url: "${server.url}", lanes: 2 }
trustedNetworks: [127.0.0.1/32]
listeners: [{ name: smtp, listen: "127.0.0.1:0" }]
http: { ports: { ingress: 0, spooler: 0, delivery-agent: 0, mailbox: 0 } }
schedules: { quick: { delays: [1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s] } }
schedule: quick
${routesTo(fars, `connections: ${CONNECTIONS}`)}
`
  // What the previous version does not know is not made: it has no classes.
  const configs = { previous: config, new: `${config}notices: { ownClass: false }\n` }
  for (const version of VERSIONS) await writeFile(join(folder, `${version}.yaml`), configs[version])
  const envOf = (version: Version) => ({ SLUICE_CONFIG: join(folder, `${version}.yaml`), SLUICE_DATA: folder })
  const all: { version: Version; name: string; process: ServiceProcess; running: boolean }[] = []
  const running = (version: Version) => all.filter((each) => each.version === version && each.running)
  const verbs = createVerbs({ redis: server.client, lanes: 2, now: Date.now })
  return {
    verbs,
    running,
    logs: (): LogLine[] => all.flatMap(({ process }) => process.log()),
    start: async (version: Version, name: string): Promise<void> => {
      const tree = version === 'previous' ? [previous.tree] : []
      all.push({ version, name, process: await startService(name, envOf(version), ...tree), running: true })
    },
    end: async (version: Version, name: string, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
      for (const each of running(version).filter((one) => one.name === name)) {
        await each.process.stop(signal)
        each.running = false
      }
    },
    stop: async () => {
      await Promise.all(all.map(({ process }) => process.stop('SIGKILL')))
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
})

const portOf = (version: Version): number => {
  const ingress = ground.running(version).find(({ name }) => name === 'ingress')
  return ingress?.process.listening.find(({ name }) => name === 'smtp')?.port ?? 0
}

/** To one destination, to two, to one that refuses it once, and to one that refuses it for good: a notice. */
const recipients = (phase: string, n: number): string | string[] => {
  const own = `${phase}-${n}`
  if (n % 20 === 7) return `reject+${own}@far0.test`
  if (n % 10 === 3) return [`two+${own}@far0.test`, `two+${own}@far1.test`]
  if (n % 10 === 5) return `tempfail-once+${own}@far1.test`
  return `ok+${own}@far${n % 2}.test`
}

const sent: Attempted[] = []
const load = async (phase: Phase, midway: () => Promise<void>): Promise<void> => {
  const loads = phase.runs.map((version) =>
    startLoad({
      port: portOf(version),
      count: MESSAGES,
      connections: CONNECTIONS,
      to: (n) => recipients(`${phase.name}-${version}`, n),
    }),
  )
  await Promise.all(loads.map((each) => each.reached(MESSAGES / 2)))
  await midway()
  await Promise.all(loads.map((each) => each.done))
  for (const { messages } of loads) sent.push(...messages)
}

const isEmpty = async (): Promise<boolean> =>
  (await ground.verbs.intake()).waiting === 0 && (await ground.verbs.queue()).length === 0

describe('a live spool', () => {
  it('R-250: is served by the previous version, by both, by the new one, and back: nothing is lost', async () => {
    let kills = 0
    for (const phase of PHASES) {
      for (const name of SERVICES) {
        for (const version of phase.runs) {
          if (!ground.running(version).some((each) => each.name === name)) await ground.start(version, name)
        }
      }
      await load(phase, async () => {
        const [leaving] = phase.name === 'upgrade' ? VERSIONS : VERSIONS.toReversed()
        if (phase.runs.length < 2 || leaving === undefined) return
        await ground.end(leaving, 'delivery-agent', 'SIGKILL')
        kills++
      })
      const next = PHASES[PHASES.indexOf(phase) + 1]
      for (const version of phase.runs.filter((each) => next?.runs.includes(each) === false)) {
        for (const name of SERVICES.toReversed()) await ground.end(version, name)
      }
    }
    await eventually('an empty spool', async () => (await isEmpty()) && (await isEmpty()), 90_000)

    const refused = sent.filter(({ to }) => to[0]?.startsWith('reject'))
    const expected = sent
      .filter((message) => !refused.includes(message))
      .flatMap(({ id, to }) => to.map((address) => ({ to: [address], id: `${id} ${address.split('@')[1]}`, unknown: 0 })))
    const copies = [...fars.far0.messages, ...fars.far1.messages].map(
      ({ recipients: [to], content }) => `${idOf(content)} ${to?.address.split('@')[1]}`,
    )
    const { lost, unanswered, doubles } = account(expected, copies)
    expect({ lost, unanswered }).toEqual({ lost: [], unanswered: 0 })
    // The agent that is killed may have had this much in transmission to each far end.
    expect(doubles).toBeLessThanOrEqual(kills * CONNECTIONS * 2)
    const told = fars.client.messages.map(({ content }) => /^Final-Recipient: rfc822; ?(\S+)/im.exec(content.toString())?.[1])
    expect([...new Set(told)].sort()).toEqual(refused.map(({ to }) => to[0]).sort())
    expect(told.length - refused.length).toBeLessThanOrEqual(kills * CONNECTIONS)
    const log = ground.logs()
    expect(log.filter(({ event }) => event === 'parked' || event === 'double-bounce' || event === 'expiry')).toEqual([])
    expect(log.filter(({ level }) => level === 'error')).toEqual([])
  }, 240_000)
})
