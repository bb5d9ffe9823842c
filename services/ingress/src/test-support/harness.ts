/**
 * An ingress on a port of its own, with small real parts for what it depends on: contents and accepted messages are kept in
 * memory, the directory knows `sluice.test` with anna, ben and some special names. No network but loopback.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ContentStore, StagedContent } from '@sluice/content-store'
import { newMessageId } from '@sluice/contracts'
import type { Log } from '@sluice/runtime'
import type { Mailbox } from '@sluice/smtp'
import type { ListenerConfig } from '@sluice/smtp-listener'
import type { Accept } from '@sluice/spool'
import { createCertificate } from '@sluice/testkit'
import type { Tracer } from '@sluice/tracing'
import { Registry } from 'prom-client'
import { afterEach } from 'vitest'
import type { ClassDirectory, IngressConfig, IngressDependencies, IngressDirectory, Limits, Resolved } from '../dependencies.ts'
import { createIngress, type Ingress, type Listening } from '../ingress.ts'
import { greetedClient, type RawClient } from './client.ts'

export type Accepted = Accept & { text: string }

export type TestIngress = {
  port: number
  listening: Listening[]
  ingress: Ingress
  accepted: Accepted[]
  /** Contents that were begun and neither finished nor given up. */
  open: Set<string>
  aborted: string[]
  logged: Record<string, unknown>[]
  metrics: Registry
  /** Parts that a test may exchange while the ingress runs. */
  parts: Pick<IngressDependencies, 'readiness' | 'accept'> & { trusted: boolean; write: (piece: Buffer) => Promise<void> }
  stop: () => Promise<void>
}

export const LIMITS: Limits = {
  sizeBytes: 1024 * 1024,
  recipients: 100,
  hops: 100,
  errors: 20,
  noops: 100,
  connections: 1000,
  connectionsPerClient: 100,
  idleMs: 300_000,
  sessionMs: 3_600_000,
  commandLineBytes: 2048,
}

const LISTED = new Set(['anna', 'ben', 'a b', 'postmaster', 'jürgen'])

const resolve = (address: Mailbox): Resolved => {
  if (address.domain === 'any.test') return { kind: 'own', recipients: [{ address: address.text }] }
  if (address.domain !== '' && address.domain !== 'sluice.test' && address.domain !== 'xn--slice-lva.test')
    return { kind: 'foreign' }
  const name = address.local.replace(/^"(.*)"$/, '$1')
  if (name === 'loop') return { kind: 'loop' }
  if (name === 'sales' || name === 'verkäufe') return { kind: 'own', recipients: ['anna', 'ben'].map(aliased(address)) }
  if (/^(postmaster|abuse|mailer-daemon)$/i.test(name)) return { kind: 'own', recipients: [aliased(address)('anna')] }
  return LISTED.has(name) || /^r\d+$/i.test(name) ? { kind: 'own', recipients: [{ address: address.text }] } : { kind: 'unknown' }
}

const aliased = (address: Mailbox) => (name: string) => ({ address: `${name}@sluice.test`, original: address.text })

const NO_CLASSES: ClassDirectory = { classHeaders: () => null, classOf: () => '' }

const createTestDirectory = (isTrusted: () => boolean, classes: ClassDirectory): IngressDirectory => ({
  ...classes,
  isTrusted,
  authenticate: async (user, password) => (user === 'anna@sluice.test' && password === 'secret' ? user : null),
  resolve,
  destinationOf: ({ address }) => {
    const domain = address.slice(address.lastIndexOf('@') + 1)
    return domain.endsWith('nowhere.test') ? null : domain === 'sluice.test' ? 'local' : domain
  },
  accountExists: (address) => address === 'anna@sluice.test',
})

export type Options = {
  config?: Partial<Omit<IngressConfig, 'limits' | 'listeners'>>
  limits?: Partial<Limits>
  listener?: Partial<ListenerConfig>
  trusted?: boolean
  classes?: ClassDirectory
  tracer?: Tracer | null
  /** Make a certificate, and offer STARTTLS with it. */
  tls?: boolean
}

const createTestStore = (open: Set<string>, aborted: string[], write: (piece: Buffer) => Promise<void>): ContentStore => ({
  stage: (id) => {
    const pieces: Buffer[] = []
    open.add(id)
    return {
      write: async (piece) => {
        await write(piece)
        pieces.push(Buffer.from(piece))
      },
      finish: async (): Promise<StagedContent> => {
        open.delete(id)
        return { kind: 'inline', bytes: Buffer.concat(pieces) }
      },
      abort: async () => {
        if (open.delete(id)) aborted.push(id)
      },
    }
  },
  read: () => {
    throw new Error('ingress does not read contents')
  },
  remove: async () => {},
  sweep: async () => 0,
})

const certificateFiles = async (): Promise<{ folder: string; files: { certFile: string; keyFile: string } }> => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-ingress-'))
  const { cert, key } = await createCertificate()
  const files = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') }
  await Promise.all([writeFile(files.certFile, cert), writeFile(files.keyFile, key)])
  return { folder, files }
}

export const startTestIngress = async (options: Options = {}): Promise<TestIngress> => {
  const secured = options.tls === true ? await certificateFiles() : null
  const listener: ListenerConfig = {
    name: 'smtp',
    listen: { host: '127.0.0.1', port: 0 },
    tls: secured?.files ?? null,
    implicitTls: false,
    auth: 'off',
    ...options.listener,
  }
  const accepted: Accepted[] = []
  const open = new Set<string>()
  const aborted: string[] = []
  const logged: Record<string, unknown>[] = []
  const metrics = new Registry()
  const parts: TestIngress['parts'] = {
    trusted: options.trusted ?? false,
    readiness: () => ({ kind: 'ok' }),
    write: async () => {},
    accept: async (message) => {
      const text = message.content.kind === 'inline' ? message.content.bytes.toString() : ''
      accepted.push({ ...message, text })
    },
  }
  const note = (text: string, fields: object = {}): void => {
    logged.push({ text, ...fields })
  }
  const log: Log = {
    event: (event, fields) => void logged.push({ event, ...fields }),
    debug: note,
    info: note,
    warn: note,
    error: note,
    child: () => log,
  }
  const ingress = createIngress({
    config: {
      hostname: 'mx.sluice.test',
      listeners: [listener],
      bareLineFeeds: 'reject',
      ...options.config,
      limits: { ...LIMITS, ...options.limits },
    },
    directory: createTestDirectory(() => parts.trusted, options.classes ?? NO_CLASSES),
    contentStore: createTestStore(open, aborted, (piece) => parts.write(piece)),
    laneOf: () => 0,
    accept: (message) => parts.accept(message),
    readiness: () => parts.readiness(),
    log,
    metrics,
    tracer: options.tracer ?? null,
    now: Date.now,
    newMessageId,
  })
  const listening = await ingress.listen()
  return {
    port: listening[0]?.port ?? 0,
    listening,
    ingress,
    accepted,
    open,
    aborted,
    logged,
    metrics,
    parts,
    stop: async () => {
      await ingress.close(0)
      if (secured !== null) await rm(secured.folder, { recursive: true, force: true })
    },
  }
}

export type IngressOfTest = {
  /** That of the test that runs; filled by `start`. */
  running: TestIngress
  start: (options?: Options) => Promise<TestIngress>
  /** Starts it, and greets it. */
  greeted: (options?: Options) => Promise<RawClient>
  /** Of the message taken as nth, from 0. */
  textOf: (at?: number) => string
}

/** For the tests of a file: each starts an ingress of its own, which is stopped after it. */
export const useIngress = (): IngressOfTest => {
  const running = {} as TestIngress
  let stop = async (): Promise<void> => {}
  const start = async (options?: Options): Promise<TestIngress> => {
    Object.assign(running, await startTestIngress(options))
    stop = running.stop
    return running
  }
  afterEach(async () => {
    await stop()
    stop = async () => {}
  })
  return {
    running,
    start,
    greeted: async (options) => greetedClient((await start(options)).port),
    textOf: (at = 0) => running.accepted[at]?.text ?? '',
  }
}
