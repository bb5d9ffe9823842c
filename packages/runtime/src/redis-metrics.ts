/**
 * How Redis answers, asked at a scrape by one PING on the connection for questions; scrapes within a second share the answer, and
 * none waits longer than a second for it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Gauge } from 'prom-client'
import type { Metrics } from './metrics.ts'

const FRESH_MS = 1000
const PATIENCE_MS = 1000

type Ping = { up: boolean; seconds: number }

const createAsk = (ping: () => Promise<unknown>): (() => Promise<Ping>) => {
  const measure = async (): Promise<Ping> => {
    const startedAt = performance.now()
    const answered = ping().then(
      () => true,
      () => false,
    )
    const up = await Promise.race([answered, sleep(PATIENCE_MS, false, { ref: false })])
    return { up, seconds: (performance.now() - startedAt) / 1000 }
  }
  let asked: Promise<Ping> | null = null
  let askedAt = 0
  return () => {
    if (asked === null || performance.now() - askedAt > FRESH_MS) {
      askedAt = performance.now()
      asked = measure()
    }
    return asked
  }
}

/** @param ping resolves when Redis has answered; rejects when it cannot */
export const declareRedis = (registry: Metrics, ping: () => Promise<unknown>): void => {
  const ask = createAsk(ping)
  const registers = [registry]
  new Gauge({
    name: 'sluice_redis_up',
    help: '1 when Redis answered a PING within a second at this scrape, else 0',
    registers,
    async collect() {
      this.set((await ask()).up ? 1 : 0)
    },
  })
  new Gauge({
    name: 'sluice_redis_ping_seconds',
    help: 'How long Redis took to answer a PING at this scrape; one second when it did not',
    registers,
    async collect() {
      this.set((await ask()).seconds)
    },
  })
}
