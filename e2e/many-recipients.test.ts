/** One mail to many recipients over several destinations, with mixed outcomes: each gets it once, and each failure is told once. */
import type { FarEnd } from '@sluice/testkit'
import { expect, it } from 'vitest'
import { submit } from './support/client.ts'
import { mailsOf } from './support/maildir.ts'
import { readNotice, told } from './support/notice.ts'
import { useFarEnd, useSluice, useSpool } from './support/scene.ts'

const fars = [useFarEnd(), useFarEnd(), useFarEnd()]
const route = ({ port }: FarEnd, n: number): string =>
  `  - { name: far-${n}, match: [far${n}.test], type: smtp, hosts: ["127.0.0.1:${port}"] }`
const sluice = useSluice(
  () => `
domains: [{ name: own.test, route: local }]
accounts: [{ address: sender@own.test }, { address: anna@own.test }, { address: ben@own.test }]
routes:
  - { name: local, type: local }
${fars.map(route).join('\n')}
`,
)
const spool = useSpool(sluice)

const recipientsAt = (far: FarEnd | undefined): string[][] =>
  far?.messages.map(({ recipients }) => recipients.map(({ address }) => address)) ?? []

it('R-250, R-one-notice: each destination gets it once, and one notice per destination names exactly those that failed', async () => {
  const to = [
    ...['ok@far0.test', 'reject@far0.test', 'ok+2@far0.test', 'reject+2@far0.test'],
    ...['ok@far1.test', 'multiline@far1.test'],
    ...['ok@far2.test', 'ok+2@far2.test', 'ok+3@far2.test'],
    ...['anna@own.test', 'ben@own.test'],
  ]
  const id = await submit(sluice.smtpPort, { from: 'sender@own.test', to })
  await spool.idle()

  expect(fars.map(recipientsAt)).toEqual([
    [['ok@far0.test', 'ok+2@far0.test']],
    [['ok@far1.test']],
    [['ok@far2.test', 'ok+2@far2.test', 'ok+3@far2.test']],
  ])
  expect(await mailsOf(sluice.folder, 'anna@own.test')).toHaveLength(1)
  expect(await mailsOf(sluice.folder, 'ben@own.test')).toHaveLength(1)

  const notices = (await mailsOf(sluice.folder, 'sender@own.test')).map(readNotice)
  expect(notices.map(told).sort()).toEqual([
    ['multiline@far1.test failed 5.1.1'],
    ['reject+2@far0.test failed 5.1.1', 'reject@far0.test failed 5.1.1'],
  ])
  for (const notice of notices) expect(notice.text).toContain(`queued as ${id}`)

  const { history, tasks, intake } = await spool.trace(id)
  expect({ tasks, intake }).toEqual({ tasks: [], intake: null })
  const outcomes = history.flatMap(({ recipients }) => recipients.map(({ address, kind }) => `${address} ${kind}`))
  expect(outcomes.sort()).toEqual(
    to.map((address) => `${address} ${/^(reject|multiline)/.test(address) ? 'bounced' : 'delivered'}`).sort(),
  )
})

it('R-duplicate: a recipient named twice, also through an alias of another spelling, gets it once', async () => {
  const id = await submit(sluice.smtpPort, {
    from: 'sender@own.test',
    to: ['ok+twice@far0.test', 'ok+twice@FAR0.test', 'ok+twice@far0.test', 'anna@own.test', 'Anna+tag@own.test'],
  })
  await spool.idle()
  const arrived = fars[0]?.messages.filter(({ content }) => content.includes(id)) ?? []
  expect(arrived.map(({ recipients }) => recipients.map(({ address }) => address))).toEqual([['ok+twice@far0.test']])
  const annas = (await mailsOf(sluice.folder, 'anna@own.test')).filter((mail) => mail.includes(id))
  expect(annas).toHaveLength(1)
})
