/** What a sender asks for with NOTIFY, ORCPT, RET and ENVID: passed on where the far end knows it, answered by us where it does not. */
import { DEFAULT_EXTENSIONS } from '@sluice/testkit'
import { expect, it } from 'vitest'
import { submit } from './support/client.ts'
import { eventually } from './support/gateway.ts'
import { mailsOf, watchMails } from './support/maildir.ts'
import { type Notice, readNotice, told } from './support/notice.ts'
import { routeTo, useFarEnd, useSluice, useSpool } from './support/scene.ts'

const HOUR = 3_600_000

const modern = useFarEnd()
const plain = useFarEnd({ extensions: DEFAULT_EXTENSIONS.filter((name) => name !== 'DSN') })
const sluice = useSluice(
  () => `
domains: [{ name: own.test, route: local }]
accounts: [{ address: anna@own.test }, { address: ben@own.test }]
routes:
  - { name: local, type: local }
${routeTo('modern', modern)}
${routeTo('plain', plain)}
`,
)
const spool = useSpool(sluice)
const newMails = watchMails(sluice, 'anna@own.test')

/** Notices that have come since the last call. */
const newNotices = async (): Promise<Notice[]> => (await newMails()).map(readNotice)

it('R-dsn-pass: a far end with DSN gets RET and ENVID, and for each recipient its own NOTIFY and ORCPT; success is its to report', async () => {
  await submit(sluice.smtpPort, {
    from: 'anna@own.test',
    parameters: 'RET=HDRS ENVID=QQ+2B314159',
    to: [
      '<ok+1@modern.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first+2Btag@client.test',
      '<ok+2@modern.test> NOTIFY=NEVER',
      '<ok+3@modern.test>',
      '<ok+4@modern.test> ORCPT=rfc822;fourth@client.test NOTIFY=DELAY',
    ],
  })
  await spool.idle()
  expect(modern.messages).toHaveLength(1)
  const parameters = modern.messages[0]?.parameters.split(' ') ?? []
  expect(parameters.filter((each) => /^(RET|ENVID)=/.test(each))).toEqual(['RET=HDRS', 'ENVID=QQ+2B314159'])
  expect(modern.messages[0]?.recipients).toEqual([
    { address: 'ok+1@modern.test', parameters: 'NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first+2Btag@client.test' },
    { address: 'ok+2@modern.test', parameters: 'NOTIFY=NEVER' },
    { address: 'ok+3@modern.test', parameters: '' },
    { address: 'ok+4@modern.test', parameters: 'NOTIFY=DELAY ORCPT=rfc822;fourth@client.test' },
  ])
  expect(await newNotices()).toEqual([])
})

it('R-dsn-pass, R-one-notice: to a far end without DSN nothing is passed, and the sender hears that it was relayed', async () => {
  await submit(sluice.smtpPort, {
    from: 'anna@own.test',
    parameters: 'RET=HDRS ENVID=QQ+2B314159',
    to: [
      '<ok+1@plain.test> NOTIFY=SUCCESS ORCPT=rfc822;first@client.test',
      '<ok+2@plain.test> NOTIFY=FAILURE',
      '<ok+3@plain.test> NOTIFY=SUCCESS,DELAY',
    ],
    subject: 'to be relayed',
    body: 'not to be returned',
  })
  await spool.idle()
  expect(plain.messages.map(({ parameters, recipients }) => [parameters, ...recipients.map((each) => each.parameters)])).toEqual([
    [expect.not.stringMatching(/RET|ENVID/), '', '', ''],
  ])
  const notices = await newNotices()
  expect(notices.map(told)).toEqual([['ok+1@plain.test relayed 2.0.0', 'ok+3@plain.test relayed 2.0.0']])
  expect(notices[0]?.status).toMatchObject([
    { 'original-envelope-id': 'QQ+314159' },
    { 'original-recipient': 'rfc822; first@client.test', action: 'relayed', 'remote-mta': 'dns; 127.0.0.1' },
    { action: 'relayed' },
  ])
  expect(notices[0]?.types[2]).toMatch(/^text\/rfc822-headers/)
  expect(notices[0]?.returned).toContain('Subject: to be relayed')
  expect(notices[0]?.returned).not.toContain('not to be returned')
})

it('R-one-notice: NOTIFY=NEVER makes none, also for a refusal; the other recipient’s failure is told', async () => {
  await submit(sluice.smtpPort, {
    from: 'anna@own.test',
    to: ['<reject+never@plain.test> NOTIFY=NEVER', '<reject+success@plain.test> NOTIFY=SUCCESS', '<reject+failure@plain.test>'],
  })
  await spool.idle()
  expect((await newNotices()).map(told)).toEqual([['reject+failure@plain.test failed 5.1.1']])
})

it('R-one-notice: final delivery here is reported as delivered', async () => {
  await submit(sluice.smtpPort, {
    from: 'anna@own.test',
    to: ['<Ben+tag@own.test> NOTIFY=SUCCESS ORCPT=rfc822;benny@client.test'],
  })
  await spool.idle()
  const notices = await newNotices()
  expect(notices.map(told)).toEqual([['ben@own.test delivered 2.0.0']])
  expect(notices[0]?.status[1]).toMatchObject({ 'original-recipient': 'rfc822; benny@client.test', action: 'delivered' })
  expect(await mailsOf(sluice.folder, 'ben@own.test')).toHaveLength(1)
})

it('R-one-notice: who asked for it hears once of a delay, when it has lasted four hours', async () => {
  const to = ['<tempfail-4@plain.test> NOTIFY=DELAY', '<tempfail-4+quiet@plain.test>']
  const id = await submit(sluice.smtpPort, { from: 'anna@own.test', to })
  const deferred = (attempt: number): Promise<unknown> =>
    eventually(`deferral ${attempt}`, async () => {
      const [task] = (await spool.trace(id)).tasks
      return task?.state === 'delayed' && task.task?.attempts.length === attempt
    })
  await deferred(1)
  for (const n of [1, 2, 3]) {
    await sluice.setClock(2 * n * HOUR)
    await deferred(n + 1)
    if (n === 1) expect(sluice.events('notice').filter((line) => line.id === id)).toEqual([])
  }
  await sluice.setClock(8 * HOUR)
  await spool.idle()
  const notices = await newNotices()
  expect(notices.map(told)).toEqual([['tempfail-4@plain.test delayed 4.2.1']])
  expect(notices[0]?.header.subject).toBe('Delayed: your message to tempfail-4@plain.test')
  expect(notices[0]?.status[1]).toHaveProperty('will-retry-until')
  expect(plain.messages.at(-1)?.recipients.map(({ address }) => address)).toEqual([
    'tempfail-4@plain.test',
    'tempfail-4+quiet@plain.test',
  ])
})
