/** One mail to many recipients over several destinations, with mixed outcomes: each gets it once, and each failure is told once. */
import { type FarEnd, startFarEnd } from '@sluice/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { submit } from './support/client.ts'
import { type Sluice, startSluice } from './support/gateway.ts'
import { mailsOf } from './support/maildir.ts'
import { readNotice, told } from './support/notice.ts'
import { openSpool, type Spool } from './support/spool.ts'

let fars: FarEnd[]
let sluice: Sluice
let spool: Spool
beforeAll(async () => {
  fars = await Promise.all([startFarEnd(), startFarEnd(), startFarEnd()])
  const routes = fars.map(
    ({ port }, n) => `  - { name: far-${n}, match: [far${n}.test], type: smtp, hosts: ["127.0.0.1:${port}"] }`,
  )
  sluice = await startSluice({
    config: `
hostname: mx.sluice.test
trustedNetworks: [127.0.0.1/32]
domains: [{ name: own.test, route: local }]
accounts: [{ address: sender@own.test }, { address: anna@own.test }, { address: ben@own.test }]
routes:
  - { name: local, type: local }
${routes.join('\n')}
`,
  })
  spool = await openSpool(sluice.folder)
})
afterAll(async () => {
  spool?.close()
  await sluice?.stop()
  await Promise.all((fars ?? []).map((far) => far.stop()))
})

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
