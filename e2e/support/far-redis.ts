/** What scenarios on a Redis Cluster or behind Sentinels share: many destinations, load to them, and who has got what. */
import type { FarEnd } from '@sluice/testkit'
import { eventually } from './gateway.ts'
import { type Load, startLoad } from './load.ts'

/** So many that every lane, and so every shard, has some. */
export const DESTINATIONS = 40

/** A config's routes, one destination each, all to one far end. */
export const manyRoutes = (far: FarEnd): string =>
  [
    'routes:',
    ...Array.from(
      { length: DESTINATIONS },
      (_, n) => `  - { name: r${n}, match: [d${n}.test], type: smtp, hosts: ["127.0.0.1:${far.port}"], connections: 2 }`,
    ),
  ].join('\n')

/** Every fifth message goes to three destinations, which lie in different lanes. */
export const recipientsOf = (n: number): string[] => {
  const domain = (k: number): string => `d${(n * 7 + k * 11) % DESTINATIONS}.test`
  const copies = n % 5 === 0 ? 3 : 1
  return Array.from({ length: copies }, (_, k) => `m${n}-${k}@${domain(k)}`)
}

export const startSpread = (port: number, count: number): Load => startLoad({ port, count, connections: 10, to: recipientsOf })

export type Arrivals = { lost: string[]; arrivals: number; recipients: number }

/** By recipients, each of which belongs to one message. */
export const arrivalsOf = (load: Load, far: FarEnd): Arrivals => {
  const wanted = load.messages.flatMap(({ id, to }) => (id === null ? [] : to))
  const arrived = far.messages.flatMap(({ recipients }) => recipients.map(({ address }) => address))
  const there = new Set(arrived)
  return { lost: wanted.filter((each) => !there.has(each)), arrivals: arrived.length, recipients: new Set(wanted).size }
}

/** Resolves when all that got a 250 has arrived at all its destinations, or the time is over. */
export const untilArrived = async (load: Load, far: FarEnd, timeoutMs = 90_000): Promise<Arrivals> => {
  await eventually('all that got a 250', () => arrivalsOf(load, far).lost.length === 0, timeoutMs).catch(() => {})
  return arrivalsOf(load, far)
}
