/** Mail from the null reverse-path that cannot be delivered makes no mail: nobody answers a notice. */
import { expect, it } from 'vitest'
import { submit } from './support/client.ts'
import { mailsOf } from './support/maildir.ts'
import { useFarEnd, useSluice, useSpool } from './support/scene.ts'

const far = useFarEnd()
const sluice = useSluice(
  () => `
domains: [{ name: own.test, route: local, postmaster: anna@own.test }]
accounts: [{ address: anna@own.test }]
routes:
  - { name: local, type: local }
  - { name: far, match: ["*"], type: smtp, hosts: ["127.0.0.1:${far.port}"] }
`,
)
const spool = useSpool(sluice)

it('R-null: mail from <> is taken and delivered; when it is refused, it is a double bounce and no notice', async () => {
  await submit(sluice.smtpPort, { from: '', to: ['ok@far.test'] })
  await submit(sluice.smtpPort, { from: '', to: ['anna@own.test'] })
  const id = await submit(sluice.smtpPort, { from: '', to: ['reject@far.test'] })
  await spool.idle()
  expect(far.messages.map(({ from, recipients }) => [from, recipients[0]?.address])).toEqual([['', 'ok@far.test']])
  const mails = await mailsOf(sluice.folder, 'anna@own.test')
  expect(mails).toHaveLength(1)
  expect(mails[0]).toMatch(/^Return-Path: <>\n/)
  expect(sluice.events('bounce').map((line) => line.id)).toEqual([id])
  expect(sluice.events('double-bounce')).toMatchObject([{ id, recipients: [{ to: 'reject@far.test', status: '5.1.1' }] }])
  expect(sluice.events('notice')).toEqual([])
})

it('R-double: a notice that is refused makes no further notice, and trace keeps it for the postmaster', async () => {
  const before = sluice.events('double-bounce').length
  const id = await submit(sluice.smtpPort, { from: 'reject@sender.test', to: ['reject@far.test'] })
  await spool.idle()
  const notices = sluice.events('notice')
  expect(notices).toMatchObject([{ id, kind: 'failed', to: 'reject@sender.test' }])
  const notice = String(notices[0]?.notice)
  expect(sluice.events('double-bounce').slice(before)).toMatchObject([{ id: notice, recipients: [{ to: 'reject@sender.test' }] }])
  const { stdout } = await sluice.cli('trace', notice)
  expect(stdout).toContain('from <>')
  expect(stdout).toContain('reject@sender.test bounced 5.1.1')
  expect(far.messages).toHaveLength(1)
  expect(await mailsOf(sluice.folder, 'anna@own.test')).toHaveLength(1)
})

it('R-double: a sender address that leads nowhere here is a double bounce as well', async () => {
  const before = sluice.events('double-bounce').length
  const id = await submit(sluice.smtpPort, { from: 'nobody@own.test', to: ['reject@far.test'] })
  await spool.idle()
  expect(sluice.events('double-bounce').slice(before)).toMatchObject([{ id }])
  expect(sluice.events('notice')).toHaveLength(1)
  expect(await mailsOf(sluice.folder, 'anna@own.test')).toHaveLength(1)
})
