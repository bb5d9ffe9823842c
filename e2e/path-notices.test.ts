/** Notices of the path: to whom, about whom, once. */
import type { Recipient } from '@sluice/contracts'
import { describe, expect, it } from 'vitest'
import { HOUR, startPath } from './support/path.ts'
import { useStarted } from './support/scene.ts'

const path = useStarted(() => startPath({ farEnd: { extensions: ['PIPELINING', '8BITMIME', 'ENHANCEDSTATUSCODES'] } }))

const sent = async (to: (string | Recipient)[], from?: string): Promise<string> => {
  const id = await path.send({ to, ...(from === undefined ? {} : { from }) })
  await path.untilEmpty()
  return id
}
const noticesAbout = (id: string, end = path.far) => path.got(end, id).filter(({ from }) => from === '')
const textOf = (id: string): string => noticesAbout(id)[0]?.content.toString() ?? ''
const finals = (id: string): string[] => textOf(id).match(/^Final-Recipient: .*(?=\r$)/gm) ?? []

describe('notices', () => {
  it('R-one-notice: all recipients that failed at one moment stand in one notice, to the sender, from <>', async () => {
    const id = await sent(['reject+1@far.test', 'reject+2@far.test', 'ok@far.test'])
    expect(noticesAbout(id)).toMatchObject([{ from: '', recipients: [{ address: 'sender@own.test' }] }])
    expect(finals(id)).toEqual(['Final-Recipient: rfc822; reject+1@far.test', 'Final-Recipient: rfc822; reject+2@far.test'])
  })

  it('R-one-notice: NOTIFY=NEVER none, and only who asked hears of success', async () => {
    const never = await sent([{ address: 'reject@far.test', notify: ['NEVER'] }])
    const success = await sent([
      { address: 'ok+s@far.test', notify: ['SUCCESS'] },
      { address: 'ok+f@far.test', notify: ['FAILURE'] },
    ])
    expect(noticesAbout(never)).toEqual([])
    expect(path.events('bounce', never)).toHaveLength(1)
    expect(finals(success)).toEqual(['Final-Recipient: rfc822; ok+s@far.test'])
    expect(textOf(success)).toMatch(/^Action: relayed/m)
  })

  it('R-causes: the notice tells in words who refused what, with status and reply', async () => {
    const id = await sent(['reject@far.test'])
    expect(textOf(id)).toMatch(/^Status: 5\.1\.1/m)
    expect(textOf(id)).toMatch(/^Diagnostic-Code: smtp; 550 5\.1\.1 no such user/m)
    const sender = await sent(['ok@far.test'], 'reject-mail@own.test')
    expect(path.events('bounce', sender)[0]?.fields).toMatchObject({ status: '5.7.1' })
  })

  it('R-transcript: the notice ends its text with this message’s conversation, and with no other’s', async () => {
    await sent(['ok+before@far.test'])
    const id = await sent(['reject+mine@far.test'])
    expect(textOf(id)).toContain('RCPT TO:<reject+mine@far.test>')
    expect(textOf(id)).toContain('S: 550 5.1.1 no such user')
    expect(textOf(id)).not.toContain('ok+before@far.test')
  })

  it('R-double: a notice that cannot be delivered is an event and no mail', async () => {
    const id = await sent(['reject@far.test'], 'reject+back@own.test')
    const [notice] = path.events('notice', id)
    const noticeId = String(notice?.fields.notice)
    await path.untilEvent('double-bounce', noticeId)
    await path.untilEmpty()
    expect(path.far.messages.filter(({ content }) => content.includes(id))).toEqual([])
    expect((await path.trace(noticeId))?.history[0]?.recipients).toMatchObject([{ kind: 'bounced' }])
    const direct = await sent(['reject@far.test'], '')
    expect(path.events('double-bounce', direct)).toHaveLength(1)
    expect(path.events('notice', direct)).toEqual([])
  })

  it('R-double: a sender whose address leads nowhere: an event and no mail', async () => {
    const foreign = await sent(['reject@far.test'], 'who@nowhere.test')
    const unknown = await sent(['reject@far.test'], 'who@strict.test')
    for (const id of [foreign, unknown]) {
      expect(path.events('double-bounce', id)).toHaveLength(1)
      expect(path.got(path.far, id)).toEqual([])
      expect((await path.trace(id))?.history[0]?.transcript?.join('\n')).toContain('550 5.1.1')
    }
  })

  it('R-alias: a notice to an own address goes through its aliases, also to several destinations', async () => {
    const id = await path.send({ to: ['reject@far.test'], from: 'sales@own.test' })
    await path.until(() => noticesAbout(id, path.two).length > 0, 'the notice to come')
    await path.untilEmpty()
    expect(noticesAbout(id)[0]?.recipients).toMatchObject([{ address: 'anna@own.test' }])
    expect(noticesAbout(id, path.two)[0]?.recipients).toMatchObject([{ address: 'ben@two.test' }])
  })
})

describe('a far end with DSN', () => {
  it('R-dsn-pass: is asked to report success itself', async () => {
    path.far.set({ extensions: ['PIPELINING', '8BITMIME', 'ENHANCEDSTATUSCODES', 'DSN'] })
    const sentWith = await path.send({ to: [{ address: 'ok+dsn@far.test', notify: ['SUCCESS'], orcpt: 'rfc822;x@y.test' }] })
    path.far.dropAll()
    await path.untilEmpty()
    const [mail] = path.got(path.far, sentWith)
    expect(mail?.recipients[0]?.parameters).toMatch(/NOTIFY=SUCCESS/)
    expect(noticesAbout(sentWith)).toEqual([])
  })
})

describe('a destination without a route', () => {
  it('R-causes: is tried by schedule, for a config can be mended; then the notice says so', async () => {
    const id = await path.send({ to: ['ok@nowhere.test'] })
    for (let attempt = 1; attempt <= 6; attempt++) {
      await path.untilEvent('deferral', id, Math.min(attempt, 5))
      await path.advance(2 * HOUR)
    }
    await path.untilEvent('notice', id)
    await path.untilEmpty()
    expect(path.events('deferral', id)).toHaveLength(5)
    expect(textOf(id)).toMatch(/no route/)
  })
})
