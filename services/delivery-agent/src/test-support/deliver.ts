/** One delivery to scripted far ends, with everything real but the clock's patience. */
import type { DeliveryReport, Task } from '@sluice/contracts'
import { type Config, loadConfig } from '@sluice/directory'
import { createResolver, type MxResolver } from '@sluice/mx'
import { createLogger, createMetrics } from '@sluice/runtime'
import { type FarEnd, type FarEndOptions, startFarEnd } from '@sluice/testkit'
import { afterEach } from 'vitest'
import type { ApplyReplyRules } from '../apply-reply-rules.ts'
import { type Conversations, createConversations } from '../conversations.ts'
import type { ShapedRoute } from '../shaped-route.ts'
import type { Timeouts } from '../smtp-client.ts'

/** For `expect.poll`, on a busy machine. */
export const PATIENT = { timeout: 10_000 }

/** The content of every message but where a test brings its own; dots to be stuffed included. */
export const CONTENT = Buffer.from('From: a@example.test\r\nSubject: hello\r\n\r\nbody\r\n.\r\n..dots\r\n')

const TIMEOUTS: Timeouts = {
  connectMs: 10_000,
  greetingMs: 10_000,
  ehloMs: 10_000,
  tlsMs: 10_000,
  mailMs: 10_000,
  rcptMs: 10_000,
  dataMs: 10_000,
  blockMs: 10_000,
  dotMs: 10_000,
}

export const makeTask = (to: string[] | Task['to'], changes: Partial<Task> = {}): Task => ({
  v: 1,
  id: '01ARZ3NDEKTSV4RRFF',
  from: 'sender@example.test',
  to: to.map((recipient) => (typeof recipient === 'string' ? { address: recipient } : recipient)),
  sizeBytes: CONTENT.length,
  body: '7bit',
  utf8: false,
  receivedAt: 0,
  content: { store: 'inline' },
  attempts: [],
  ...changes,
})

export const makeRoute = (
  hosts: { host?: string; port: number; weight?: number }[],
  changes: Partial<ShapedRoute> = {},
): ShapedRoute => ({
  name: 'far',
  match: [],
  type: 'smtp',
  hosts: hosts.map(({ host = '127.0.0.1', port, weight = 1 }) => ({ host, port, weight })),
  select: 'order',
  tls: 'opportunistic',
  auth: null,
  connections: 20,
  rate: null,
  maxRecipients: 50,
  schedule: { name: 'classic', delaysMs: [], jitter: 0 },
  messagesPerConnection: null,
  siteClass: 'far',
  source: null,
  site: { name: 'far', hosts: [] },
  ...changes,
})

export async function* pieces(...buffers: Buffer[]): AsyncGenerator<Buffer> {
  yield* buffers
}

export type Bench = {
  conversations: Conversations
  /** One conversation for one task; the connection goes to the pool. */
  deliver: (route: ShapedRoute, task: Task, content?: () => AsyncIterable<Buffer>) => Promise<DeliveryReport>
}

export type BenchOptions = {
  timeouts?: Partial<Timeouts>
  idleConnectionMs?: number
  resolver?: MxResolver
  random?: () => number
  ca?: string
  applyRules?: ApplyReplyRules
}

export const createBench = async (options: BenchOptions = {}): Promise<Bench> => {
  const config: Config = await loadConfig(null, {})
  const { timeouts, idleConnectionMs = 0, resolver = createResolver({ servers: [], timeoutMs: 1000 }), ...rest } = options
  const delivery = { ...config.delivery, idleConnectionMs, timeouts: { ...TIMEOUTS, ...timeouts } }
  const conversations = createConversations({
    config: { ...config, hostname: 'mx.sluice.test', delivery },
    resolver,
    log: createLogger({ level: 'error', service: 'test' }),
    metrics: createMetrics('test', { processFigures: false }),
    now: Date.now,
    ...rest,
  })
  return {
    conversations,
    deliver: async (route, task, content = () => pieces(CONTENT)) => {
      const conversation = conversations.open('far', route)
      const report = await conversation.deliver(task, content, { signal: new AbortController().signal, aboutToEnd: () => {} })
      conversation.release()
      return report
    },
  }
}

/** `delivered 2.0.0`, `deferred 4.2.1 rcpt`: an outcome at a glance. */
export const glance = (report: DeliveryReport): string[] =>
  report.outcomes.map((outcome) =>
    outcome.kind === 'delivered'
      ? `delivered ${outcome.status}${outcome.relayed ? ' relayed' : ''}`
      : `${outcome.kind} ${outcome.status} ${outcome.stage}${outcome.kind === 'deferred' && outcome.unknown ? ' unknown' : ''}`,
  )

/** Far ends of the tests of a file. @returns starts one, which is stopped after its test */
export const useFarEnds = (): ((options?: FarEndOptions) => Promise<FarEnd>) => {
  const ends: FarEnd[] = []
  afterEach(async () => void (await Promise.all(ends.splice(0).map((end) => end.stop()))))
  return async (options = {}) => {
    const end = await startFarEnd(options)
    ends.push(end)
    return end
  }
}
