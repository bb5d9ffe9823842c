/** An attempt counts from before the far end is dialled: an agent that dies in the midst of it cannot try for ever. */
import { expect, it } from 'vitest'
import { submit } from './support/client.ts'
import { eventually } from './support/gateway.ts'
import { allTo, useFarEnd, useSluice, useSpool } from './support/scene.ts'

const HOUR = 3_600_000

const far = useFarEnd({ silentAt: 'greeting' })
const sluice = useSluice(
  () => `
shutdownGrace: 5s
${allTo(far)}
`,
)
const spool = useSpool(sluice)

it('R-attempt-first: the attempt is recorded while nobody has spoken yet, and stands when the delivery-agent dies', async () => {
  const id = await submit(sluice.smtpPort, { from: 'anna@client.test', to: ['ok@far.test'] })
  await eventually('a connection', () => far.connections.length === 1)
  expect(far.connections[0]?.commands).toEqual([])
  expect(await spool.redis.hget(`sluice{00}:far:${id}`, 'ats')).toBe('1')

  sluice.kill('delivery-agent')
  const traced = await eventually(
    'what the next delivery-agent makes of it',
    async () => (await spool.trace(id)).tasks.find(({ state }) => state === 'delayed'),
    60_000,
  )
  expect(traced.task?.attempts).toMatchObject([{ n: 1, stage: 'crash', reply: expect.stringContaining('interrupted') }])
  expect(traced.nextAttemptAt).toBe((traced.task?.attempts[0]?.at ?? 0) + 2 * HOUR)
  expect(far.connections).toHaveLength(1)

  far.set({ silentAt: 'auth' }) // which nobody asks for
  await sluice.setClock(2 * HOUR)
  await spool.idle()
  expect(far.messages.map(({ recipients }) => recipients[0]?.address)).toEqual(['ok@far.test'])
  const [history] = (await spool.trace(id)).history
  expect(history?.attempts.map(({ n, stage }) => `${n} ${stage}`)).toEqual(['1 crash', '2 dot'])
})
