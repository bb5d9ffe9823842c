/** The far ends: three steady ones, one that refuses by name, one that breaks off by name, and a port where nobody listens. */
import { type FarEnd, type FarEndOptions, freePort, startFarEnd } from '@sluice/testkit'
import { type Arrivals, takeFrom } from './arrivals.ts'
import type { FarStage } from './plan.ts'

const NAMES = ['far0', 'far1', 'far2', 'soft', 'hard']
const COLLECT_EVERY_MS = 200
const REPLIES: Record<FarStage, string> = {
  greeting: '421 4.3.2 not now',
  ehlo: '421 4.3.2 not now',
  mail: '451 4.3.2 not now',
  rcpt: '450 4.2.1 not now',
  data: '451 4.3.2 not now',
  content: '421 4.3.2 enough',
  dot: '451 4.3.0 not now',
}

export type FarEnds = {
  /** Port of each, by the name of its route. */
  ports: Record<string, number>
  fail: (name: string, stage: FarStage, how: 'refuses' | 'drops') => void
  recover: (name: string) => void
  /** Takes over what has come. */
  collect: () => void
  stop: () => Promise<void>
}

export const startFarEnds = async (arrivals: Arrivals): Promise<FarEnds> => {
  const ends = new Map<string, FarEnd>()
  for (const name of NAMES) ends.set(name, await startFarEnd({ hostname: `${name}.test`, slowMs: 1500 }))
  const ports = Object.fromEntries([...ends].map(([name, { port }]) => [name, port]))
  const collect = (): void => {
    for (const [name, { messages }] of ends) takeFrom(arrivals, name, messages)
  }
  /** Nobody asks what was said on a connection that is over; a long run would keep it all. */
  const forget = (): void => {
    for (const { connections } of ends.values()) {
      for (const connection of connections) if (connection.closedAt !== null) connection.commands.length = 0
    }
  }
  const timers = [setInterval(collect, COLLECT_EVERY_MS), setInterval(forget, 30_000)]
  const set = (name: string, options: FarEndOptions): void => ends.get(name)?.set(options)
  return {
    ports: { ...ports, closed: await freePort() },
    fail: (name, stage, how) => set(name, how === 'drops' ? { dropAt: stage } : { replies: { [stage]: REPLIES[stage] } }),
    // `set` takes no option away: this is a stage that no conversation reaches.
    recover: (name) => set(name, { replies: {}, dropAt: 'auth' }),
    collect,
    stop: async () => {
      for (const timer of timers) clearInterval(timer)
      await Promise.all([...ends.values()].map((end) => end.stop()))
      collect()
    },
  }
}
