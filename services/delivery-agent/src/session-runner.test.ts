import { setTimeout as sleep } from 'node:timers/promises'
import type { Task } from '@sluice/contracts'
import { createMetrics } from '@sluice/runtime'
import type { HandedTask, SessionClient, SessionKey, Turn } from '@sluice/spool'
import { describe, expect, it } from 'vitest'
import { createAgentMetrics } from './session-metrics.ts'
import { createSessionRunner } from './session-runner.ts'
import type { Handled, TaskContext } from './session-task.ts'

const handed = (takenBy: number): HandedTask => ({
  id: 'A',
  data: '{}',
  attempts: 1,
  content: null,
  marked: false,
  takenBy,
  verb: null,
})
const task = { id: 'A', content: { store: 'redis', lane: 0, chunks: 1 } } as Task
const done: Handled = { settlements: [{ kind: 'finish', id: 'A', history: '' }], site: { kind: 'ok' }, task }
const silent = { event: () => {}, debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

type Answer = Turn | Error | (() => Turn | Error)
const GIVEN = {
  markAfterMs: 0,
  replyAfterMs: 0,
  expire: false,
  errand: false,
  stopping: () => false,
  agent: null as string | null,
}

/** Runs a session against scripted answers of the spool; `Error` is a reply that was lost. */
const runAgainst = async (answers: Answer[], run = 1, options: Partial<typeof GIVEN> = {}) => {
  const { markAfterMs, replyAfterMs, expire, errand, stopping, agent } = { ...GIVEN, ...options }
  const atStake = new Set<SessionKey>()
  const marked: string[] = []
  const asked: { mode: string; settlements: string[]; site: string }[] = []
  const stakes: number[] = []
  const calls: string[] = []
  const released: string[] = []
  const client: SessionClient = {
    turn: (_session, mode, settlements, site) => {
      asked.push({ mode, settlements: settlements.map(({ kind }) => kind), site: site.kind })
      stakes.push(atStake.size)
      const scripted = answers.shift() ?? { kind: 'closed', why: 'empty' }
      const answer = typeof scripted === 'function' ? scripted() : scripted
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer)
    },
    mark: (_session, id) => Promise.resolve(marked.push(id)),
    siteReason: () => Promise.resolve(null),
    transcript: () => Promise.resolve([]),
  }
  const handle = (name: string) => async (each: HandedTask, context: Partial<TaskContext>, crashes?: unknown) => {
    calls.push(typeof crashes === 'number' ? `${name} ${crashes}` : name)
    const known = context.aboutToEnd?.(each.id)
    if (replyAfterMs > 0) await sleep(replyAfterMs)
    known?.()
    return done
  }
  const log = { ...silent, child: () => log }
  const runSession = createSessionRunner({
    markAfterMs,
    client,
    shapeRoute: () => Promise.resolve(null),
    policy: () => null,
    openConversation: () => ({ deliver: () => Promise.reject(new Error('unused')), release: () => {} }),
    tasks: { attempt: handle('attempt'), recover: handle('recover'), expire: handle('expire') },
    execute: handle('execute'),
    lingering: {
      begin: () => {},
      end: () => {},
      mayLinger: () => agent,
      wait: () => Promise.resolve('close a'),
      close: () => {},
    },
    releaseContent: (_destination, { id }) => {
      released.push(id)
      return Promise.resolve()
    },
    log,
    metrics: createAgentMetrics(createMetrics('test', { processFigures: false })),
    stopping,
    signal: new AbortController().signal,
    leave: new AbortController().signal,
    atStake,
  })
  await runSession({ key: { lane: 0, destination: 'far', id: '1', token: 't', run }, expire, errand })
  return { asked, calls, released, marked, stakes, left: atStake.size }
}

describe('a session', () => {
  it('attempts what was handed out by a reply that got lost: that is no crash', async () => {
    const lost = new Error('Connection is closed.')
    const { asked, calls } = await runAgainst([lost, { kind: 'recovered', tasks: [handed(1)] }])
    expect(calls).toEqual(['attempt'])
    expect(asked.map(({ mode }) => mode)).toEqual(['start', 'start', 'run'])
  })

  it('ends what it was about to expire when an agent died: its sender may have been told already', async () => {
    const { calls, asked } = await runAgainst([{ kind: 'recovered', tasks: [handed(1)] }], 2, { expire: true })
    expect(calls).toEqual(['expire'])
    expect(asked.map(({ mode }) => mode)).toEqual(['start', 'run'])
    const taken = await runAgainst([{ kind: 'recovered', tasks: [handed(2)] }], 3, { expire: true })
    expect(taken.calls).toEqual(['recover 1'])
  })

  it('recovers what an earlier run had in hand, and says how many died with it', async () => {
    const { calls } = await runAgainst([{ kind: 'recovered', tasks: [handed(1)] }], 3)
    expect(calls).toEqual(['recover 2'])
  })

  it('keeps an outcome until Redis answers, tells of the site once, and looks for what a lost reply handed out', async () => {
    const lost = new Error('Connection is closed.')
    const { asked, calls } = await runAgainst([
      { kind: 'task', task: handed(1) },
      lost,
      lost,
      { kind: 'recovered', tasks: [handed(1)] },
    ])
    expect(calls).toEqual(['attempt', 'attempt'])
    expect(asked).toEqual([
      { mode: 'start', settlements: [], site: 'none' },
      { mode: 'run', settlements: ['finish'], site: 'ok' },
      { mode: 'start', settlements: ['finish'], site: 'none' },
      { mode: 'start', settlements: ['finish'], site: 'none' },
      { mode: 'run', settlements: ['finish'], site: 'ok' },
    ])
  })

  it('stops at the fence with nothing more asked, and leaves the content to the run that has the task now', async () => {
    const { asked, calls, released } = await runAgainst([{ kind: 'task', task: handed(1) }, { kind: 'fenced' }])
    expect(calls).toEqual(['attempt'])
    expect(asked).toHaveLength(2)
    expect(released).toEqual([])
  })

  it('writes down that the content has ended: at once where that decides, else when the final reply takes its time', async () => {
    const given: Turn = { kind: 'task', task: handed(1) }
    expect((await runAgainst([given], 1, { markAfterMs: 0 })).marked).toEqual(['A'])
    expect((await runAgainst([given], 1, { markAfterMs: 60_000 })).marked).toEqual([])
    expect((await runAgainst([given], 1, { markAfterMs: 1, replyAfterMs: 200 })).marked).toEqual(['A'])
  })

  it('lets go of a content once its task is settled', async () => {
    const { released } = await runAgainst([{ kind: 'task', task: handed(1) }])
    expect(released).toEqual(['A'])
  })

  it('is at stake from the dot until its outcome is recorded, through replies that were lost', async () => {
    const lost = new Error('Connection is closed.')
    const { stakes, left } = await runAgainst([{ kind: 'task', task: handed(1) }, lost, lost, { kind: 'wait', ms: 0 }])
    expect(stakes).toEqual([0, 1, 1, 1, 0])
    expect(left).toBe(0)
    const { stakes: fenced, left: after } = await runAgainst([{ kind: 'task', task: handed(1) }, { kind: 'fenced' }])
    expect({ fenced, after }).toEqual({ fenced: [0, 1], after: 0 })
  })
})

describe('a session of an agent that stops', () => {
  const lost = new Error('Connection is closed.')
  const given: Turn = { kind: 'task', task: handed(1) }
  const stop = () => {
    const told = { yes: false }
    const during = (answer: Turn | Error) => (): Turn | Error => {
      told.yes = true
      return answer
    }
    return { stopping: () => told.yes, during }
  }
  const modesOf = (asked: { mode: string }[]): string[] => asked.map(({ mode }) => mode)

  it('takes nothing when it begins only then, and ends what a dead run had in hand', async () => {
    const closed = await runAgainst([], 1, { stopping: () => true })
    expect({ calls: closed.calls, modes: modesOf(closed.asked) }).toEqual({ calls: [], modes: ['close'] })
    const found = await runAgainst([{ kind: 'recovered', tasks: [handed(1)] }], 2, { stopping: () => true })
    expect({ calls: found.calls, modes: modesOf(found.asked) }).toEqual({ calls: ['recover 1'], modes: ['close', 'close'] })
    const errand = await runAgainst([], 1, { stopping: () => true, errand: true })
    expect(modesOf(errand.asked)).toEqual(['errand-close'])
  })

  it('hands back what a turn that was under way brings, and what a lost reply handed out: that is no attempt', async () => {
    const late = stop()
    const { asked, calls } = await runAgainst([late.during(given)], 1, late)
    expect(calls).toEqual([])
    expect(asked.map(({ mode, settlements }) => [mode, ...settlements])).toEqual([['start'], ['close', 'return']])
    const unheard = stop()
    const again = await runAgainst([unheard.during(lost), { kind: 'recovered', tasks: [handed(1)] }], 1, unheard)
    expect(again.calls).toEqual([])
    expect(again.asked.map(({ mode, settlements }) => [mode, ...settlements])).toEqual([
      ['start'],
      ['close'],
      ['close', 'return'],
    ])
  })

  it('closes, whatever the turn was that Redis did not answer', async () => {
    const { stopping, during } = stop()
    const { asked } = await runAgainst([given, during(lost)], 1, { stopping })
    expect(asked.map(({ mode, settlements }) => [mode, ...settlements])).toEqual([
      ['start'],
      ['run', 'finish'],
      ['close', 'finish'],
    ])
  })
})

it('a session whose place is wanted closes, also when Redis did not answer at first', async () => {
  const lost = new Error('Connection is closed.')
  const { asked } = await runAgainst([{ kind: 'task', task: handed(1) }, { kind: 'linger', ms: 1 }, lost], 1, { agent: 'a' })
  expect(asked.map(({ mode }) => mode)).toEqual(['start', 'linger a', 'close a', 'close a'])
})
