import type { DeliveryReport, Outcome, Task } from '@sluice/contracts'
import { createMetrics } from '@sluice/runtime'
import { judge } from '@sluice/smtp'
import { expect, it } from 'vitest'
import type { NoticeInputs } from './notices.ts'
import { createAgentMetrics } from './session-metrics.ts'
import { createConclude } from './session-outcomes.ts'

const silent = { event: () => {}, debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const log = { ...silent, child: () => log }
const schedule = { delaysMs: [7_200_000], jitter: 0 }

const taskTo = (recipients: number): Task => ({
  v: 1,
  id: '01ABCDEFGHJKMNPQRS',
  from: 'a@sender.test',
  to: Array.from({ length: recipients }, (_, i) => ({ address: `b${i}@far.test` })),
  sizeBytes: 5,
  body: '7bit',
  utf8: false,
  receivedAt: 1_000_000,
  content: { store: 'inline' },
  attempts: [],
})

const conclude = (task: Task, outcome: Outcome, transcript: string[], attempts = 1, delivery = {}) => {
  const told: NoticeInputs[] = []
  const tellSender = (inputs: NoticeInputs) => {
    told.push(inputs)
    return Promise.resolve([])
  }
  const report: DeliveryReport = {
    outcomes: task.to.map(() => outcome),
    host: 'mx.far.test',
    stage: 'rcpt',
    site: { kind: 'ok' },
    transcript,
    dsnPassed: false,
  }
  const run = createConclude({
    config: { schedule, delayNoticeMs: 1, delivery } as never,
    tellSender,
    log,
    metrics: createAgentMetrics(createMetrics('test', { processFigures: false })),
    now: () => 1_000_100,
    random: () => 0.5,
  })
  const content = async function* () {
    yield Buffer.from('hello')
  }
  const attempted = { task, destination: 'far.test', route: null, attempts, startedAt: 1_000_000, report, content }
  return run({ ...attempted, expired: false, span: null }).then((settlements) => ({ settlements, told }))
}

it('what a talkative far end says about each of many recipients is kept in bounds, for the history and for the notice', async () => {
  const reply = { code: 550, text: Array.from({ length: 60 }, () => 'x'.repeat(1000)) }
  const { outcome } = judge({ kind: 'reply', stage: 'rcpt', host: 'mx.far.test', reply })
  const transcript = Array.from({ length: 3000 }, (_, i) => `S: 550-${i} ${'x'.repeat(900)}`)
  const { settlements, told } = await conclude(taskTo(50), outcome, transcript)
  const [finish] = settlements
  if (finish?.kind !== 'finish') throw new Error(`expected a finish, got ${finish?.kind}`)
  expect(finish.history.length).toBeLessThan(50 * 2500 + 20_000)
  const kept = JSON.parse(finish.history).transcript
  expect(kept.at(-1)).toBe(transcript.at(-1))
  expect(kept.length).toBeLessThan(20)
  expect(told[0]?.results).toHaveLength(50)
})

it('R-timeouts: an outcome that is not known is held by policy, also when the schedule is over: nobody is told before a look', async () => {
  const { outcome } = judge({ kind: 'crash', afterDot: true })
  const hold = { unknownOutcome: 'hold' }
  for (const attempts of [1, 2]) {
    const { settlements, told } = await conclude(taskTo(1), outcome, [], attempts, hold)
    expect(settlements).toMatchObject([{ kind: 'park', reason: expect.stringContaining('not known') }])
    expect(told[0]?.results).toMatchObject([{ outcome: { kind: 'deferred' } }])
  }
  const before = judge({ kind: 'crash', afterDot: false }).outcome
  expect((await conclude(taskTo(1), before, [], 1, hold)).settlements).toMatchObject([{ kind: 'defer' }])
  expect((await conclude(taskTo(1), before, [], 2, hold)).settlements).toMatchObject([{ kind: 'finish' }])
  expect((await conclude(taskTo(1), outcome, [], 2, { unknownOutcome: 'retry' })).settlements).toMatchObject([{ kind: 'finish' }])
})
