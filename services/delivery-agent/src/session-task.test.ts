import type { Attempt, Stage, Task } from '@sluice/contracts'
import { createMetrics } from '@sluice/runtime'
import { encodeTask } from '@sluice/spool'
import { expect, it } from 'vitest'
import { createAgentMetrics } from './session-metrics.ts'
import { createTaskHandler, type TaskContext } from './session-task.ts'

const silent = { event: () => {}, debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const log = { ...silent, child: () => log }

const attempts = (stages: readonly Stage[]): Attempt[] =>
  stages.map((stage, i) => ({ n: i + 1, at: 1000 + i, host: null, stage, reply: 'as it was' }))

/** Recovers a task with such attempts behind it, in hand of as many runs that died since the last one. */
const recover = async (stages: readonly Stage[], crashesNow: number): Promise<string> => {
  const task: Task = {
    ...{ v: 1, id: '01ABCDEFGHJKMNPQRS', from: 'a@sender.test', to: [{ address: 'b@far.test' }], sizeBytes: 5, body: '7bit' },
    ...{ utf8: false, receivedAt: 1000, content: { store: 'inline' }, attempts: attempts(stages) },
  }
  const handler = createTaskHandler({
    contentStore: {} as never,
    conclude: () => Promise.resolve([{ kind: 'return', id: task.id }]),
    tracer: null,
    log,
    metrics: createAgentMetrics(createMetrics('test', { processFigures: false })),
    now: () => 2000,
  })
  const handed = { id: task.id, data: encodeTask(task), attempts: stages.length + 1, content: Buffer.from('hello') }
  const context = { destination: 'far.test', route: null } as TaskContext
  const { settlements } = await handler.recover({ ...handed, marked: false, takenBy: 1, verb: null }, context, crashesNow)
  const [settlement] = settlements
  return settlement?.kind === 'park' ? settlement.reason : 'tried again'
}

it.each<[Stage[], number, string]>([
  [[], 1, 'tried again'],
  [['crash'], 1, 'tried again'],
  [['crash', 'crash'], 1, 'the delivery-agent died 3 times in a row with it in hand'],
  [['dot', 'crash'], 2, 'the delivery-agent died 3 times in a row with it in hand'],
  [[], 3, 'the delivery-agent died 3 times in a row with it in hand'],
  [['crash', 'crash', 'dot'], 1, 'tried again'],
  [['crash', 'connect', 'crash'], 1, 'tried again'],
])('a task with the attempts %j that %d more runs died with: %s', async (stages, crashesNow, what) => {
  expect(await recover(stages, crashesNow)).toBe(what)
})
