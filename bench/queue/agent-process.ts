/**
 * A delivery-agent without a far end, a process of its own: the real Worker on the `delivery` queue and the real turns, and every
 * task is settled as delivered in the moment it is handed out. What is left is the cost of the spool. It counts what it settled,
 * by ID, so that nothing is lost or doubled unseen.
 *
 *   node bench/queue/agent-process.ts REDIS_CONFIG LANES SESSIONS      says {ready} to its parent, then answers its questions
 */
import { type SessionRun, startSessionWorkers } from '@sluice/delivery-agent'
import { connectService, createLogger, type RedisConfig } from '@sluice/runtime'
import { createSessionClient, decodeTask, type HandedTask, type Settlement, type Turn } from '@sluice/spool'
import type { AgentAnswer, AgentQuestion } from './agents.ts'

const [config = '', lanes = '1', sessions = '50'] = process.argv.slice(2)
const log = createLogger({ level: 'warn', service: 'bench-agent' })
const redis = connectService(JSON.parse(config) as RedisConfig, 'bench-agent', log)
const client = createSessionClient({
  redis: redis.command,
  now: Date.now,
  random: Math.random,
  // The defaults of the config.
  historyMax: 50_000,
  historyKeepMs: 24 * 3_600_000,
})

let settled: string[] = []
let strange = 0

/** As an agent does: the payload is read, and a history is kept. */
const deliver = (run: SessionRun, handed: HandedTask): Settlement => {
  const decoded = decodeTask(handed.data)
  if (decoded.kind === 'corrupt' || handed.content?.length !== decoded.value.sizeBytes || handed.attempts !== 1) {
    strange++
    return { kind: 'return', id: handed.id }
  }
  const task = decoded.value
  settled.push(task.id)
  const now = Date.now()
  const recipients = task.to.map(({ address }) => ({ address, kind: 'delivered', status: '2.0.0', reason: '250 2.0.0 Ok' }))
  const attempts = [{ n: 1, at: now, host: 'far.bench.test', stage: 'dot', reply: '250 2.0.0 Ok' }]
  const { from, receivedAt, sizeBytes } = task
  const history = { at: now, destination: run.key.destination, from, receivedAt, sizeBytes, attempts, recipients }
  return { kind: 'finish', id: task.id, history: JSON.stringify(history) }
}

const runSession = async (run: SessionRun): Promise<void> => {
  let step: Turn = await client.turn(run.key, 'start', [], { kind: 'none' })
  for (;;) {
    switch (step.kind) {
      case 'task':
        step = await client.turn(run.key, 'run', [deliver(run, step.task)], { kind: 'ok' })
        break
      case 'wait': {
        const { ms } = step
        await new Promise((resolve) => setTimeout(resolve, ms))
        step = await client.turn(run.key, 'run', [], { kind: 'none' })
        break
      }
      case 'recovered':
        strange += step.tasks.length // No agent dies here, so nothing is ever found in hand.
        return
      default:
        return
    }
  }
}

const tell = (answer: AgentAnswer): void => void process.send?.(answer)

process.on('message', ({ whole }: AgentQuestion) => {
  tell({ count: settled.length, strange, ids: whole ? settled : [] })
  if (whole) settled = []
})
process.on('disconnect', () => process.exit())
await startSessionWorkers({
  redis: redis.blocking,
  lanes: Number(lanes),
  concurrency: Number(sessions),
  runSession,
  isAtStake: () => false,
  log,
})
process.send?.({ ready: true })
