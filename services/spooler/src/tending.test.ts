import { setTimeout as sleep } from 'node:timers/promises'
import { createLogger } from '@sluice/runtime'
import { describe, expect, it } from 'vitest'
import { createTending } from './tending.ts'

const whole = {
  present: () => Promise.resolve({ sessions: new Set<string>(), newest: 0 }),
  survey: () => Promise.resolve({ cursor: '0', destinations: 0, contents: 0, removed: 0 }),
}
const NOTHING = { tasks: 0, sessions: 0, permits: 0, due: 0, errands: 0 }

describe('tending', () => {
  it('forgets what is empty, repairs the rest, retries intake and sweeps; a fault of one destination stops nothing else', async () => {
    const abort = new AbortController()
    const asked: string[] = []
    const repaired: Record<string, number> = {}
    const tending = createTending({
      scheduling: {
        ...whole,
        survey: (_lane, cursor) => {
          asked.push(`survey ${cursor}`)
          return Promise.resolve({ cursor: cursor === '0' ? '7' : '0', destinations: 1, contents: 0, removed: 0 })
        },
        async *destinations() {
          yield ['empty.test', 'bad.test']
          yield ['whole.test', 'broken.test']
        },
        forget: (_lane, name) => Promise.resolve(name === 'empty.test'),
        repair: (_lane, name) => {
          asked.push(name)
          if (name === 'bad.test') return Promise.reject(new Error('WRONGTYPE'))
          return Promise.resolve(name === 'broken.test' ? { ...NOTHING, tasks: 2, due: 1 } : NOTHING)
        },
      },
      contentStore: { sweep: () => Promise.resolve(asked.push('sweep')) },
      isNeeded: () => Promise.resolve(true),
      retryIntake: () => {
        asked.push('intake')
        return Promise.resolve(0)
      },
      followAudit: () => Promise.resolve([]),
      lanes: 1,
      log: createLogger({ level: 'error', service: 'test' }),
      repaired: (kind, count) => {
        repaired[kind] = (repaired[kind] ?? 0) + count
      },
      notSwept: () => {},
      signal: abort.signal,
    })
    const running = tending()
    await expect.poll(() => asked.includes('sweep') && asked.includes('survey 7')).toBe(true)
    await sleep(20)
    abort.abort()
    await running
    const surveys = asked.filter((each) => each.startsWith('survey'))
    expect(surveys).toEqual(['survey 0', 'survey 7'])
    expect(asked.filter((each) => !surveys.includes(each))).toEqual(['bad.test', 'whole.test', 'broken.test', 'intake', 'sweep'])
    expect(repaired).toEqual({ destinations: 2, tasks: 2, due: 1 })
  })

  it('ends in the midst of a sweep when it is told to', async () => {
    const abort = new AbortController()
    let looked = 0
    const tending = createTending({
      scheduling: {
        ...whole,
        async *destinations() {},
        forget: () => Promise.resolve(true),
        repair: () => Promise.resolve(NOTHING),
      },
      contentStore: {
        sweep: async (_olderThanMs, isNeeded) => {
          for (;;) await isNeeded('A', { store: 'redis', lane: 0, chunks: 1 })
        },
      },
      isNeeded: () => {
        if (++looked === 10) abort.abort()
        return Promise.resolve(true)
      },
      retryIntake: () => Promise.resolve(0),
      followAudit: () => Promise.resolve([]),
      lanes: 1,
      log: createLogger({ level: 'error', service: 'test' }),
      repaired: () => {},
      notSwept: () => {},
      signal: abort.signal,
    })
    await tending()
    expect(looked).toBe(10)
  })
})
