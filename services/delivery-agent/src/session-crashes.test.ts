/** Delivery-agents as processes of their own, and kill −9. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HOUR, type MailPath, startPath } from './test-support/path.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))

let path: MailPath
const children: ChildProcess[] = []
beforeAll(async () => {
  path = await startPath({ agents: 0, config: 'delivery: { unknownOutcome: hold }' })
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await path.stop()
})

const startAgent = (): ChildProcess => {
  const env = { ...process.env, SLUICE_CONFIG: path.configFile, SLUICE_CLOCK_FILE: path.clockFile }
  const child = spawn(process.execPath, [MAIN], { env, stdio: 'ignore' })
  children.push(child)
  return child
}
const kill = async (child: ChildProcess): Promise<void> => {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}
const commandsWith = (text: string): number =>
  path.far.connections.flatMap(({ commands }) => commands).filter((command) => command.includes(text)).length
const taskOf = async (id: string) => (await path.trace(id))?.tasks[0]

describe('an agent that dies with mail in hand', () => {
  it('is found within 20 s: attempts count, unknown outcomes are held, the third death parks, and the rest goes on', async () => {
    const before = await path.send({ to: ['never-answer-rcpt+early@far.test'] })
    const after = await path.send({ to: ['never-answer+late@far.test'] })
    const poison = await path.send({ to: ['never-answer-rcpt+poison@far.test'] })
    const key = `sluice{00}:far:${poison}`
    const task = JSON.parse((await path.redis.hget(key, 'data')) ?? '')
    const crash = { at: path.now(), host: null, stage: 'crash', reply: 'interrupted' }
    task.attempts = [
      { n: 1, ...crash },
      { n: 2, ...crash },
    ]
    await path.redis.hset(key, 'data', JSON.stringify(task))
    const first = startAgent()
    await path.until(() => commandsWith('early@') + commandsWith('poison@') === 2, 'RCPT of two', 15_000)
    await path.until(async () => (await path.redis.exists(`sluice{00}:far:${after}:mark`)) === 1, 'the mark')
    await kill(first)
    const killedAt = performance.now()
    await path.addAgent()
    await path.until(async () => (await taskOf(before))?.state === 'delayed', 'recovery', 20_000)
    await path.until(async () => (await taskOf(after))?.state === 'parked', 'the unknown one to be held', 20_000)
    await path.until(async () => (await taskOf(poison))?.state === 'parked', 'the poison to be parked', 20_000)
    expect(performance.now() - killedAt).toBeLessThan(21_000)

    expect((await taskOf(before))?.task?.attempts).toMatchObject([
      { n: 1, stage: 'crash', reply: expect.stringMatching(/interrupted|died/) },
    ])
    expect((await taskOf(before))?.nextAttemptAt).toBeGreaterThan(path.now() + HOUR)
    expect((await taskOf(after))?.problem).toMatch(/not known/)
    expect((await taskOf(poison))?.problem).toMatch(/died 3 times/)
    expect((await path.verbs.queue())[0]).toMatchObject({ destination: 'far', delayed: 1, parked: 2, active: 0, sessions: 0 })
    const well = await path.send({ to: ['ok+well@far.test'] })
    await path.untilEvent('delivery', well)
    expect(await path.redis.keys('*:mark')).toEqual([])
  }, 60_000)
})
