/** Mail to an IPv6 address literal: its queue can be held and released, and people read the literal as it was written. */
import { startFarEnd } from '@sluice/testkit'
import { expect, it } from 'vitest'
import { submit } from './support/client.ts'
import { eventually } from './support/gateway.ts'
import { awaitMails } from './support/maildir.ts'
import { useSluice, useSpool, useStarted } from './support/scene.ts'

/** MX hosts listen on port 25 and no other: an address of loopback that nobody else uses, written as IPv6. */
const far = useStarted(() => startFarEnd({ host: '127.25.1.1', port: 25 }))
const LITERAL = '[IPv6:::ffff:127.25.1.1]'
const HOP = '[IPv6___ffff_127.25.1.1]'
const NOBODY = '[IPv6:::ffff:127.25.1.9]'

const sluice = useSluice(
  () => `
domains: [{ name: own.test, route: local }]
accounts: [{ address: anna@own.test }]
routes:
  - { name: local, type: local }
  - { name: internet, match: ["*"], type: mx, schedule: short }
schedules: { short: { delays: [1h] } }
delivery: { allowPrivateMx: true, timeouts: { connect: 2s } }
`,
)
const spool = useSpool(sluice)

it('can be held, shows in the queue, and is delivered once it is released', async () => {
  expect(await sluice.cli('hold', LITERAL)).toMatchObject({ code: 0, stdout: `${HOP}: held\n` })
  await submit(sluice.smtpPort, { from: 'anna@own.test', to: [`ok@${LITERAL}`] })
  await eventually('it to wait', async () =>
    (await spool.queue()).some(({ destination, held, waiting }) => destination === HOP && held && waiting === 1),
  )
  expect(far.messages).toHaveLength(0)
  expect(await sluice.cli('release', HOP)).toMatchObject({ code: 0, stdout: `${HOP}: released\n` })
  await far.received(1)
  await spool.idle()
  expect(far.messages[0]?.recipients[0]?.address).toBe(`ok@${LITERAL}`)
})

it('stands in a notice as it was written', async () => {
  await submit(sluice.smtpPort, { from: 'anna@own.test', to: [`ok@${NOBODY}`] })
  await eventually('a deferral', () => sluice.events('deferral').find(({ to }) => to === `ok@${NOBODY}`))
  await sluice.setClock(2 * 3_600_000)
  const [notice] = await awaitMails(sluice.folder, 'anna@own.test', 1)
  expect(notice).toContain(`ok@${NOBODY}`)
  expect(notice).not.toContain('[IPv6_')
})
