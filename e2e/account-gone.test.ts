/** An account that existed when its mail was taken, and is gone when it is to be delivered. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { submit } from './support/client.ts'
import { eventually } from './support/gateway.ts'
import { awaitMails, mailsOf } from './support/maildir.ts'
import { readNotice, told } from './support/notice.ts'
import { useSluice, useSpool } from './support/scene.ts'

const sluice = useSluice(
  () => `
trustedNetworks: []
domains: [{ name: own.test, route: local }]
accounts:
  - { address: anna@own.test }
  - { address: ben@own.test }
  - { address: clara@own.test, quota: 2KiB }
routes: [{ name: local, type: local }]
`,
)
const spool = useSpool(sluice)

it('R-gone: over quota the mail waits', async () => {
  const id = await submit(sluice.smtpPort, { from: 'anna@own.test', to: ['clara@own.test'], body: 'x'.repeat(900) })
  await spool.idle()
  expect(await mailsOf(sluice.folder, 'clara@own.test')).toHaveLength(1)
  const second = await submit(sluice.smtpPort, { from: 'anna@own.test', to: ['clara@own.test'], body: 'x'.repeat(900) })
  const line = await eventually('the deferral', () => sluice.events('deferral').find((each) => each.id === second))
  expect(line).toMatchObject({ status: '4.2.2', reply: expect.stringContaining('over its quota') })
  expect(await mailsOf(sluice.folder, 'clara@own.test')).toHaveLength(1)
  expect(id).not.toBe(second)
})

it('R-gone, R-causes: the sender gets a notice with the first cause, 5.1.1', async () => {
  await sluice.cli('hold', 'local')
  const id = await submit(sluice.smtpPort, { from: 'anna@own.test', to: ['ben@own.test'] })
  const config = join(sluice.folder, 'sluice.yaml')
  const text = await readFile(config, 'utf8')
  await writeFile(config, text.replace('  - { address: ben@own.test }\n', ''))
  const pid = sluice.pidOf('mailbox')
  sluice.kill('mailbox')
  await eventually('a mailbox with the new config', () => {
    const isNew = sluice.pidOf('mailbox') !== pid
    return isNew && sluice.log().filter((line) => line.service === 'mailbox' && line.msg === 'listening').length === 2
  })
  await sluice.cli('release', 'local')
  const [mail] = await awaitMails(sluice.folder, 'anna@own.test', 1)
  const notice = readNotice(mail ?? '')
  expect(told(notice)).toEqual(['ben@own.test failed 5.1.1'])
  expect(notice.text.replaceAll('\n', ' ')).toContain('The account is gone')
  expect(notice.text).toContain(`queued as ${id}`)
  expect(await mailsOf(sluice.folder, 'ben@own.test')).toEqual([])
  expect(sluice.events('bounce').map((line) => line.id)).toEqual([id])
})
