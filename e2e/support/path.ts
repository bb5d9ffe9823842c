/**
 * The path of a message after its admission, in one process and with everything real: Redis, spoolers, delivery-agents and a
 * scripted far end. The clock of the schedules can be set; the log is kept to be asked.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createContentStore } from '@sluice/content-store'
import { destinationName, homeLane, lanePrefix, newMessageId, type Recipient, type Task } from '@sluice/contracts'
import { startDeliveryAgent } from '@sluice/delivery-agent'
import { type Config, createDirectory, loadConfig } from '@sluice/directory'
import type { Fields, Log } from '@sluice/runtime'
import { createAdmission, createTrace, createVerbs } from '@sluice/spool'
import { startSpooler } from '@sluice/spooler'
import { type FarEnd, type FarEndOptions, freePort, startFarEnd, startRedis, type TestRedis } from '@sluice/testkit'
import { Redis } from 'ioredis'
import { writeClock } from './clock.ts'

export const HOUR = 3_600_000

export type PathOptions = {
  /** Added to the config. */
  config?: string
  /** Further lines of the route `far`, e.g. `rate: 10/s`. */
  far?: string
  farEnd?: FarEndOptions
  agents?: number
  spoolers?: number
  lanes?: number
}

export type Mail = {
  to: (string | Recipient)[]
  from?: string
  content?: string | Buffer
  id?: string
  /** The class it travels in; left out: the default one. */
  class?: string
} & Partial<Pick<Task, 'receivedAt' | 'notice'>>

/** far.test and two.test have far ends of their own, dead.test one that is not there; own.test takes everything; local aliases. */
const configOf = (options: PathOptions, url: string, far: FarEnd, two: FarEnd, deadPort: number, dataDir: string): string => `
hostname: mx.sluice.test
redis: { url: "${url}", requireDurable: false, lanes: ${options.lanes ?? 1} }
domains:
  - { name: own.test, route: far, recipients: any, aliases: { sales: [anna@own.test, ben@two.test] } }
  - { name: strict.test, route: far, recipients: listed, postmaster: anna@own.test }
routes:
  - { name: far, match: [far.test], type: smtp, hosts: ["127.0.0.1:${far.port}"], tls: "off"${options.far === undefined ? '' : `, ${options.far}`} }
  - { name: two, match: [two.test], type: smtp, hosts: ["127.0.0.1:${two.port}"], tls: "off" }
  - { name: dead, match: [dead.test], type: smtp, hosts: ["127.0.0.1:${deadPort}"], tls: "off" }
http: { ports: { ingress: 0, spooler: 0, delivery-agent: 0, mailbox: 0 } }
content: { directory: "${dataDir}" }
${options.config ?? ''}
`

export type LogLine = { name: string; fields: Fields }

const keptLog = (lines: LogLine[]): Log => {
  const keep =
    (level: string) =>
    (text: string, fields: Fields = {}): void =>
      void lines.push({ name: `${level}: ${text}`, fields })
  const log: Log = {
    event: (name, fields) => void lines.push({ name, fields }),
    debug: () => {},
    info: keep('info'),
    warn: keep('warn'),
    error: keep('error'),
    child: () => log,
  }
  return log
}

/** What a spool that holds no mail may still hold: queues' own small keys, grants, figures, memory of what has left. */
const STANDING =
  /:(audit|events|destinations|due|gateway|histories|owner)$|:(history|grant|once|site|clock):|:(meta|id|marker|stalled-check|stalled|pc)$/

/** Polls; throws with `what` when it takes longer than `withinMs`. */
export const until = async (isTrue: () => Promise<boolean> | boolean, what: string, withinMs = 10_000): Promise<void> => {
  const end = performance.now() + withinMs
  while (!(await isTrue())) {
    if (performance.now() > end) throw new Error(`after ${withinMs} ms still not: ${what}`)
    await sleep(20)
  }
}

export type MailPath = Awaited<ReturnType<typeof startPath>>
type Service = { close: () => Promise<void> }

/** Where things are, for services that a test starts itself. */
export type Ground = { config: Config; configFile: string; clockFile: string; server: TestRedis; far: FarEnd; two: FarEnd }

const prepare = async (options: PathOptions, folder: string): Promise<Ground> => {
  const server = await startRedis()
  const far = await startFarEnd(options.farEnd)
  const two = await startFarEnd(options.farEnd)
  const configFile = join(folder, 'sluice.yaml')
  const clockFile = join(folder, 'clock')
  await writeFile(configFile, configOf(options, server.url, far, two, await freePort(), join(folder, 'content')))
  await writeClock(clockFile, 0)
  return { config: await loadConfig(configFile, {}), configFile, clockFile, server, far, two }
}

const createMailer = (redis: Redis, config: Config, now: () => number) => {
  const directory = createDirectory(config)
  const accept = createAdmission({ redis, lanes: config.redis.lanes, now })
  const { lanes } = config.redis
  const contents = createContentStore({ redis, lanePrefix, lanes, ...config.content })
  /** As ingress does it. @returns the message's ID */
  const send = async (mail: Mail): Promise<string> => {
    const id = mail.id ?? newMessageId(now())
    const to = mail.to.map((each) => (typeof each === 'string' ? { address: each } : each))
    const destinations = new Map<string, Recipient[]>()
    for (const recipient of to) {
      const hop = directory.destinationOf(recipient) ?? recipient.address.split('@')[1]!
      const destination = destinationName(hop, mail.class ?? '')
      destinations.set(destination, [...(destinations.get(destination) ?? []), recipient])
    }
    const bytes = Buffer.from(mail.content ?? `Subject: ${id}\r\nMessage-ID: <${id}@sender.test>\r\n\r\nhello\r\n`)
    const writer = contents.stage(id, homeLane([...destinations.keys()], id, lanes))
    await writer.write(bytes)
    await accept({
      envelope: {
        v: 1,
        id,
        from: mail.from ?? 'sender@own.test',
        to,
        sizeBytes: bytes.length,
        body: '7bit',
        utf8: false,
        receivedAt: mail.receivedAt ?? now(),
        ...(mail.notice === undefined ? {} : { notice: mail.notice }),
      },
      content: await writer.finish(),
      destinations,
    })
    return id
  }
  return { send, contents }
}

export const startPath = async (options: PathOptions = {}) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-path-'))
  const ground = await prepare(options, folder)
  const { config, clockFile, server, far, two } = ground
  const redis = new Redis(server.url, { maxRetriesPerRequest: null, retryStrategy: () => 50 })
  redis.on('error', () => {})
  await redis.ping()
  const clock = { offsetMs: 0 }
  const now = (): number => Date.now() + clock.offsetMs
  const lines: LogLine[] = []
  const log = keptLog(lines)
  const services: Service[] = []
  const started = async (service: Promise<Service>): Promise<Service> => {
    services.push(await service)
    return service
  }
  // Read by a service as it starts, before anything else runs: paths side by side have clocks of their own.
  const withClock = <T>(start: () => T): T => {
    process.env.SLUICE_CLOCK_FILE = clockFile
    return start()
  }
  const addAgent = (changed: Config = config): Promise<Service> => started(withClock(() => startDeliveryAgent(changed, { log })))
  const spoolers: Service[] = []
  const addSpooler = async (changed: Config = config): Promise<Service> => {
    const spooler = await started(withClock(() => startSpooler(changed, { log })))
    spoolers.push(spooler)
    return spooler
  }
  for (let i = 0; i < (options.spoolers ?? 1); i++) await addSpooler()
  for (let i = 0; i < (options.agents ?? 1); i++) await addAgent()
  const { lanes } = config.redis
  const leftovers = async (): Promise<string[]> => (await redis.keys('*')).filter((key) => !STANDING.test(key)).sort()
  const events = (name: string, id?: string): LogLine[] =>
    lines.filter((line) => line.name === name && (id === undefined || line.fields.id === id))
  return {
    ...ground,
    ...createMailer(redis, config, now),
    /** A mailer with another config, e.g. another content store. */
    storing: (changed: Config) => createMailer(redis, changed, now),
    redis,
    lines,
    now,
    addAgent,
    addSpooler,
    /** In the order of their start. */
    spoolers,
    verbs: createVerbs({ redis, lanes, now }),
    trace: createTrace({ redis, lanes }),
    /** Lines of the log: a step of a message's life, or `warn: …`. */
    events,
    until,
    /** Keys that hold mail, or what belongs to mail in hand. */
    leftovers,
    untilEmpty: (withinMs?: number) =>
      until(async () => (await leftovers()).length === 0, 'an empty spool', withinMs).catch(async (error: Error) => {
        throw new Error(`${error.message}: ${(await leftovers()).join(' ')}`)
      }),
    untilEvent: (name: string, id?: string, count = 1, withinMs?: number) =>
      until(() => events(name, id).length >= count, `${count} × ${name} of ${id ?? 'any'}`, withinMs),
    /** Moves the clock of the schedules on, in every service. */
    advance: async (ms: number): Promise<void> => {
      clock.offsetMs += ms
      await writeClock(clockFile, clock.offsetMs)
      await sleep(120)
    },
    /** Mail that a far end took, by the ID in its Message-ID or its sender's words. */
    got: (end: FarEnd, id: string) => end.messages.filter(({ content }) => content.includes(id)),
    stop: async (): Promise<void> => {
      await Promise.all(services.map((service) => service.close()))
      redis.disconnect()
      await Promise.all([far.stop(), two.stop(), server.stop()])
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A path for one test, stopped after it. */
export const withPath = async (options: PathOptions, use: (path: MailPath) => Promise<void>): Promise<void> => {
  const path = await startPath(options)
  try {
    await use(path)
  } finally {
    await path.stop()
  }
}
