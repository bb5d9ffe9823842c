import { setTimeout as sleep } from 'node:timers/promises'
import type { Task } from '@sluice/contracts'
import { createMetrics } from '@sluice/runtime'
import type { HandedTask, SessionClient, Turn } from '@sluice/spool'
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

/** Runs a session against scripted answers of the spool; `Error` is a reply that was lost. */
const runAgainst = async (answers: (Turn | Error)[], run = 1, { markAfterMs = 0, replyAfterMs = 0, expire = false } = {}) => {
  const marked: string[] = []
  const asked: { mode: string; settlements: string[]; site: string }[] = []
  const calls: string[] = []
  const released: string[] = []
  const client: SessionClient = {
    turn: (_session, mode, settlements, site) => {
      asked.push({ mode, settlements: settlements.map(({ kind }) => kind), site: site.kind })
      const answer = answers.shift() ?? { kind: 'closed', why: 'empty' }
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
    lingering: { begin: () => {}, end: () => {}, mayLinger: () => null, wait: () => Promise.resolve('start'), close: () => {} },
    releaseContent: (_destination, { id }) => {
      released.push(id)
      return Promise.resolve()
    },
    log,
    metrics: createAgentMetrics(createMetrics('test', { processFigures: false })),
    stopping: () => false,
    signal: new AbortController().signal,
    leave: new AbortController().signal,
  })
  await runSession({ key: { lane: 0, destination: 'far', id: '1', token: 't', run }, expire, errand: false })
  return { asked, calls, released, marked }
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
})
