/** A spool on a Redis of the test's own, with a clock that can be set, and sessions taken by hand instead of by a Worker. */
import { type Envelope, PAYLOAD_VERSION } from '@sluice/contracts'
import { startRedis, type TestRedis } from '@sluice/testkit'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import {
  type Accept,
  createAdmission,
  createScheduling,
  createSessionClient,
  createVerbs,
  laneBackend,
  type SessionKey,
} from '../index.ts'

export const PREFIX = 'sluice{00}'

export const envelopeOf = (id: string, over: Partial<Envelope> = {}): Envelope => ({
  v: PAYLOAD_VERSION,
  id,
  from: 'a@sender.test',
  to: [{ address: 'b@far.test' }],
  sizeBytes: 5,
  body: '7bit',
  utf8: false,
  receivedAt: 1_000_000,
  ...over,
})

export const acceptOf = (id: string, destination = 'far.test', over: Partial<Accept> = {}): Accept => ({
  envelope: envelopeOf(id),
  content: { kind: 'inline', bytes: Buffer.from('hello') },
  destinations: new Map([[destination, [{ address: 'b@far.test' }]]]),
  ...over,
})

export type TestSpool = Awaited<ReturnType<typeof startSpool>>

export const startSpool = async (extra: string[] = []) => {
  const server: TestRedis = await startRedis(extra)
  const redis = new Redis(server.url, { maxRetriesPerRequest: null })
  redis.on('error', () => {})
  const clock = { now: Date.now() }
  const now = (): number => clock.now
  const accept = createAdmission({ redis, lanes: 1, now })
  const sessions = createSessionClient({ redis, now, random: () => 0.5, historyMax: 100, historyKeepMs: 60_000 })
  const scheduling = createScheduling({ redis, now })
  const verbs = createVerbs({ redis, lanes: 1, now })
  const delivery = new Queue('delivery', { connection: redis, prefix: PREFIX }, laneBackend)
  delivery.on('error', () => {}) // it tells of a Redis that a test takes away, too
  let token = 0
  return {
    server,
    redis,
    clock,
    accept,
    sessions,
    scheduling,
    verbs,
    delivery,
    grant: (destination = 'far.test', over = {}) =>
      scheduling.grant(0, destination, {
        site: destination,
        sessions: 20,
        siteSessions: 20,
        intervalUs: 0,
        maxAgeMs: 36_000_000,
        perSession: 3,
        siteIntervalUs: 0,
        class: '',
        share: 10,
        exempt: false,
        until: clock.now + 60_000,
        ...over,
      }),
    /** Takes an open session as a Worker would: BullMQ's own moveToActive, with a lock. */
    takeSession: async (): Promise<SessionKey | null> => {
      const own = `t${token++}`
      const backend = laneBackend('delivery', { connection: redis, prefix: PREFIX, lockDuration: 15_000 } as never)
      const [job, id] = await backend.moveToActive(own)
      return job && id
        ? { lane: 0, destination: JSON.parse(String(job.data)).destination, id: String(id), token: own, run: job.attemptsStarted }
        : null
    },
    stop: async () => {
      await delivery.close()
      redis.disconnect()
      await server.stop()
    },
  }
}

/** One for all tests of a file: each finds it empty, and its clock right. The object is filled before the first of them. */
export const useSpool = (): TestSpool => {
  const spool = {} as TestSpool
  beforeAll(async () => void Object.assign(spool, await startSpool()))
  afterAll(() => spool.stop())
  beforeEach(async () => {
    await spool.redis.flushall()
    spool.clock.now = Date.now()
  })
  return spool
}
