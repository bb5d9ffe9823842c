/** Some recipients of a mail are refused, or put off, or too many at once: each has its own outcome, and nobody gets the mail twice. */
import type { FarEnd } from '@sluice/testkit'
import { expect, it } from 'vitest'
import { submit } from './support/client.ts'
import { eventually } from './support/gateway.ts'
import { awaitMails, mailsOf } from './support/maildir.ts'
import { readNotice, told } from './support/notice.ts'
import { ANNA, routeTo, useFarEnd, useSluice, useSpool } from './support/scene.ts'

const HOUR = 3_600_000

const far = useFarEnd()
const narrow = useFarEnd({ maxRecipients: 3 })
const sluice = useSluice(
  () => `${ANNA}
routes:
  - { name: local, type: local }
${routeTo('narrow', narrow)}
${routeTo('few', far, 'maxRecipients: 2')}
  - { name: far, match: ["*"], type: smtp, hosts: ["127.0.0.1:${far.port}"] }
`,
)
const spool = useSpool(sluice)

const takenBy = (end: FarEnd, id: string): string[][] =>
  end.messages
    .filter(({ content }) => content.includes(`id ${id}`))
    .map(({ recipients }) => recipients.map(({ address }) => address))

it('R-partial: the others get it once; what was put off comes later, alone; what was refused is told at once', async () => {
  const to = ['ok@far.test', 'reject@far.test', 'tempfail-once@far.test', 'ok+2@far.test', 'full-552@far.test']
  const id = await submit(sluice.smtpPort, { from: 'anna@own.test', to })
  const waiting = await eventually('the rest to wait', async () =>
    (await spool.trace(id)).tasks.find(({ state }) => state === 'delayed'),
  )
  expect(waiting.task?.to.map(({ address }) => address)).toEqual(['tempfail-once@far.test', 'full-552@far.test'])
  expect(takenBy(far, id)).toEqual([['ok@far.test', 'ok+2@far.test']])
  const [mail] = await awaitMails(sluice.folder, 'anna@own.test', 1)
  expect(told(readNotice(mail ?? ''))).toEqual(['reject@far.test failed 5.1.1'])

  for (let n = 1; n <= 5; n++) {
    await sluice.setClock(2 * n * HOUR)
    await eventually(`attempt ${n + 1}`, () => sluice.events('attempt').some((line) => line.id === id && line.attempt === n + 1))
    await eventually(`its outcome`, async () => (await spool.trace(id)).tasks.every(({ state }) => state === 'delayed'))
  }
  await spool.idle()
  expect(takenBy(far, id)).toEqual([['ok@far.test', 'ok+2@far.test'], ['tempfail-once@far.test']])
  const notices = (await mailsOf(sluice.folder, 'anna@own.test')).map(readNotice)
  expect(notices.map(told).sort()).toEqual([['full-552@far.test failed 4.4.7'], ['reject@far.test failed 5.1.1']])
  const outcomes = (event: string): unknown[] =>
    sluice
      .events(event)
      .filter((line) => line.id === id)
      .map(({ to: address, attempt }) => `${address} ${attempt}`)
  expect(outcomes('delivery').sort()).toEqual(['ok+2@far.test 1', 'ok@far.test 1', 'tempfail-once@far.test 2'])
  expect(outcomes('bounce')).toEqual(['reject@far.test 1'])
  expect(outcomes('expiry')).toEqual(['full-552@far.test 6'])
})

it('R-rcpt-split: recipients beyond what the far end takes at once follow in further transactions of the same attempt', async () => {
  const to = Array.from({ length: 8 }, (_, n) => `ok+${n}@narrow.test`)
  const id = await submit(sluice.smtpPort, { from: 'anna@own.test', to })
  await spool.idle()
  expect(takenBy(narrow, id)).toEqual([to.slice(0, 3), to.slice(3, 6), to.slice(6)])
  const [history] = (await spool.trace(id)).history
  expect(history?.attempts).toHaveLength(1)
  expect(history?.recipients.map(({ kind }) => kind)).toEqual(to.map(() => 'delivered'))
})

it('R-rcpt-split: a route may ask for fewer recipients a transaction', async () => {
  const to = Array.from({ length: 5 }, (_, n) => `ok+${n}@few.test`)
  const id = await submit(sluice.smtpPort, { from: 'anna@own.test', to })
  await spool.idle()
  expect(takenBy(far, id)).toEqual([to.slice(0, 2), to.slice(2, 4), to.slice(4)])
  const [history] = (await spool.trace(id)).history
  expect(history?.attempts).toHaveLength(1)
})
