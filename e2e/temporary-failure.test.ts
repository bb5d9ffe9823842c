/** A far end that says "not now" once: the mail waits for its time by the schedule, arrives at the second attempt, and nobody hears of it. */
import { expect, it } from 'vitest'
import { eventually } from './support/gateway.ts'
import { mailsOf } from './support/maildir.ts'
import { annaAndAllTo, useFarEnd, useSluice, useSpool } from './support/scene.ts'

const HOUR = 3_600_000

const far = useFarEnd()
const sluice = useSluice(() => annaAndAllTo(far))
const spool = useSpool(sluice)

it('R-classic: what is refused for now is tried again two hours later, and trace shows both attempts', async () => {
  const id = await sluice.send('tempfail-once@far.test', '--from', 'anna@own.test')
  const traced = await eventually('the deferral', async () => {
    const { tasks } = await spool.trace(id)
    return tasks.find(({ state }) => state === 'delayed')
  })
  const [first] = traced.task?.attempts ?? []
  expect(first).toMatchObject({ n: 1, stage: 'rcpt', reply: expect.stringContaining('450 4.2.1 not this time') })
  expect(traced.nextAttemptAt).toBe((first?.at ?? 0) + 2 * HOUR)
  expect(traced.transcript).toContain('S: 450 4.2.1 not this time')
  const meanwhile = await sluice.cli('trace', id)
  expect(meanwhile.stdout).toMatch(/^far: waits for its next attempt, in 2 h/m)
  expect((await sluice.cli('queue')).stdout).toMatch(/^far +0 +0 +1 +0 +0 {2}next attempt in 2 h$/m)
  expect(far.messages).toEqual([])

  await sluice.setClock(2 * HOUR)
  await spool.idle()
  expect(far.messages.map(({ recipients }) => recipients.map(({ address }) => address))).toEqual([['tempfail-once@far.test']])
  expect(far.connections.flatMap(({ commands }) => commands.filter((line) => line.startsWith('RCPT')))).toHaveLength(2)
  const { stdout, code } = await sluice.cli('trace', id)
  expect(code).toBe(0)
  expect(stdout).toMatch(/attempt 1, 127\.0\.0\.1, rcpt: .*450 4\.2\.1 not this time/)
  expect(stdout).toMatch(/attempt 2, 127\.0\.0\.1, dot: 250 2\.0\.0 taken/)
  expect(stdout).toContain('tempfail-once@far.test delivered 2.0.0')
  expect(stdout).not.toContain('the sender was told')
  const steps = sluice.log().filter((line) => line.id === id && line.event !== undefined)
  expect(steps.map(({ event, attempt }) => [event, attempt])).toEqual([
    ['reception', undefined],
    ['attempt', 1],
    ['deferral', 1],
    ['attempt', 2],
    ['delivery', 2],
  ])
  expect(sluice.events('notice')).toEqual([])
  expect(await mailsOf(sluice.folder, 'anna@own.test')).toEqual([])
})
