/** LMTP: one reply for each recipient after the dot, and each counts by itself, also when the connection breaks half-way. */
import { expect, it } from 'vitest'
import { submit } from './support/client.ts'
import { eventually } from './support/gateway.ts'
import { awaitMails } from './support/maildir.ts'
import { readNotice, told } from './support/notice.ts'
import { ANNA, useFarEnd, useSluice, useSpool } from './support/scene.ts'

const HOUR = 3_600_000

const far = useFarEnd({ protocol: 'lmtp' })
const sluice = useSluice(
  () => `${ANNA}
routes:
  - { name: local, type: local }
  - { name: backend, match: [far.test], type: lmtp, hosts: ["127.0.0.1:${far.port}"] }
`,
)
const spool = useSpool(sluice)

const takenBy = (id: string): (string | undefined)[] =>
  far.messages.filter(({ content }) => content.includes(`id ${id}`)).map(({ recipients }) => recipients[0]?.address)

const waiting = (id: string): Promise<string[]> =>
  eventually('the rest to wait', async () => {
    const task = (await spool.trace(id)).tasks.find(({ state }) => state === 'delayed')
    return task?.task?.to.map(({ address }) => address)
  })

it('R-lmtp: of one mail some recipients take it, some refuse it, some later', async () => {
  const to = ['ok@far.test', 'reject-data@far.test', 'full-data@far.test', 'ok+2@far.test', 'reject@far.test']
  const id = await submit(sluice.smtpPort, { from: 'anna@own.test', to })
  expect(await waiting(id)).toEqual(['full-data@far.test'])
  expect(takenBy(id)).toEqual(['ok@far.test', 'ok+2@far.test'])
  const { stdout } = await sluice.cli('retry', id)
  expect(stdout).toBe('1 message is due now\n')
  await eventually('the second attempt', () => sluice.events('deferral').some((line) => line.id === id && line.attempt === 2))
  expect(takenBy(id)).toEqual(['ok@far.test', 'ok+2@far.test'])
  const mails = await awaitMails(sluice.folder, 'anna@own.test', 1)
  expect(mails.map(readNotice).map(told)).toEqual([['reject-data@far.test failed 5.6.0', 'reject@far.test failed 5.1.1']])
  expect(far.connections[0]?.commands[0]).toBe('LHLO mx.sluice.test')
})

it('R-lmtp, R-timeouts: replies before a drop stand; the recipient without one is unknown, and alone is tried again', async () => {
  const to = ['ok+1@far.test', 'reject-data+2@far.test', 'ok+3@far.test']
  far.set({ dropAfterReplies: 2 })
  const id = await submit(sluice.smtpPort, { from: 'anna@own.test', to })
  expect(await waiting(id)).toEqual(['ok+3@far.test'])
  expect(takenBy(id)).toEqual(['ok+1@far.test'])
  const { tasks } = await spool.trace(id)
  expect(tasks[0]?.task?.attempts).toMatchObject([{ n: 1, stage: 'dot', reply: expect.stringContaining('not known') }])
  far.set({ dropAfterReplies: 99 })
  await sluice.setClock(2 * HOUR)
  await eventually('the third recipient', () => takenBy(id).length === 2)
  expect(takenBy(id)).toEqual(['ok+1@far.test', 'ok+3@far.test'])
  await eventually('the end', async () => (await spool.trace(id)).tasks.length === 0)
  const outcomes = (await spool.trace(id)).history.flatMap(({ recipients }) =>
    recipients.map(({ address, kind }) => `${address} ${kind}`),
  )
  expect(outcomes).toContain('ok+3@far.test delivered')
  expect(sluice.events('delivery').filter((line) => line.id === id)).toMatchObject([
    { to: 'ok+1@far.test', attempt: 1 },
    { to: 'ok+3@far.test', attempt: 2 },
  ])
})
