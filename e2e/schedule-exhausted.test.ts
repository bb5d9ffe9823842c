/** A far end that says "not now" for ever: six attempts in ten hours and no others, then the notice. */
import { expect, it } from 'vitest'
import { submit } from './support/client.ts'
import { eventually } from './support/gateway.ts'
import { mailsOf } from './support/maildir.ts'
import { readNotice, told } from './support/notice.ts'
import { annaAndAllTo, useFarEnd, useSluice, useSpool } from './support/scene.ts'

const HOUR = 3_600_000

const far = useFarEnd({ hostname: 'busy.far.test' })
const sluice = useSluice(() => annaAndAllTo(far))
const spool = useSpool(sluice)

const tries = (address: string): number =>
  far.connections.flatMap(({ commands }) => commands).filter((line) => line.startsWith(`RCPT TO:<${address}>`)).length

/** Another mail to the same destination has gone through: whatever was due there before has had its turn. */
const passOneBy = async (name: string): Promise<void> => {
  await submit(sluice.smtpPort, { from: 'anna@own.test', to: [`ok+${name}@far.test`] })
  await eventually(`ok+${name}`, () => far.messages.some(({ recipients }) => recipients[0]?.address === `ok+${name}@far.test`))
}

it('R-classic, R-report, R-transcript, R-causes: attempts at 0, 2, 4, 6, 8 and 10 hours and no others, then the notice', async () => {
  const id = await submit(sluice.smtpPort, { from: 'anna@own.test', to: ['tempfail@far.test'], subject: 'for ever busy' })
  const attempted = (count: number): Promise<unknown> =>
    eventually(`attempt ${count}`, () => sluice.events('attempt').filter((line) => line.id === id).length === count)
  await attempted(1)
  for (let n = 1; n <= 5; n++) {
    await eventually(`deferral ${n}`, () => sluice.events('deferral').filter((line) => line.id === id).length === n)
    await sluice.setClock(2 * n * HOUR - 600_000)
    await passOneBy(`before-${n}`)
    expect(tries('tempfail@far.test')).toBe(n)
    await sluice.setClock(2 * n * HOUR)
    await attempted(n + 1)
  }
  await spool.idle()
  await sluice.setClock(14 * HOUR)
  await passOneBy('afterwards')
  await spool.idle()
  expect(tries('tempfail@far.test')).toBe(6)

  const [history] = (await spool.trace(id)).history
  const start = history?.attempts[0]?.at ?? 0
  const hours = history?.attempts.map(({ at }) => Math.round(((at - start) / HOUR) * 100) / 100)
  expect(hours?.map((hour) => Math.floor(hour))).toEqual([0, 2, 4, 6, 8, 10])
  for (const hour of hours ?? []) expect(hour % 2).toBeLessThan(0.05)
  expect(sluice.events('expiry').filter((line) => line.id === id)).toMatchObject([
    { to: 'tempfail@far.test', status: '4.4.7', attempt: 6 },
  ])

  const mails = await mailsOf(sluice.folder, 'anna@own.test')
  expect(mails).toHaveLength(1)
  expect(mails[0]).toMatch(/^Return-Path: <>\n/)
  const notice = readNotice(mails[0] ?? '')
  expect(notice.header).toMatchObject({
    from: 'Mail Delivery System <MAILER-DAEMON@mx.sluice.test>',
    to: '<anna@own.test>',
    'auto-submitted': 'auto-replied',
    'in-reply-to': '<1@client.test>',
    subject: 'Not delivered: your message to tempfail@far.test',
  })
  expect(notice.types.map((type) => type.split(';')[0])).toEqual(['text/plain', 'message/delivery-status', 'message/rfc822'])
  expect(told(notice)).toEqual(['tempfail@far.test failed 4.4.7'])
  expect(notice.status[0]).toMatchObject({
    'reporting-mta': 'dns; mx.sluice.test',
    'arrival-date': expect.stringMatching(/\d{4}/),
  })
  expect(notice.status[1]).toMatchObject({
    'remote-mta': 'dns; 127.0.0.1',
    'diagnostic-code': 'smtp; 450 4.2.1 mailbox busy',
    'last-attempt-date': expect.stringMatching(/\d{4}/),
  })
  expect(notice.text.replaceAll('\n', ' ')).toContain('or it did not take the mail in the time we try.')
  expect(notice.text).toContain(`queued as ${id}`)
  expect(notice.returned).toContain('Subject: for ever busy')
  const transcript = notice.text.slice(notice.text.indexOf('S: 220 ')).trimEnd().split('\n')
  expect(transcript[0]).toBe('S: 220 busy.far.test ESMTP scripted')
  for (const line of ['C: EHLO mx.sluice.test', 'C: RCPT TO:<tempfail@far.test>']) expect(transcript).toContain(line)
  expect(transcript.at(-1)).toMatch(/^[SC]: /)
  expect(transcript).toContain('S: 450 4.2.1 mailbox busy')
  expect(notice.text).not.toContain('ok+before')
})
